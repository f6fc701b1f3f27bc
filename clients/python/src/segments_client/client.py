"""The client: one network, one API key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import httpx2
import stamina
from pydantic import BaseModel

from segments_client import batches
from segments_client.batches import Batch, Left, NotAllTakenError, Sender
from segments_client.models import (
    Command,
    Explanation,
    Member,
    Members,
    OneMember,
    Queued,
    Result,
    Results,
    SegmentShown,
    SegmentsShown,
    Size,
    Sizes,
    UserSegment,
    UserSegments,
)
from segments_client.problems import ProblemError, backoff, raise_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

Model = TypeVar("Model", bound=BaseModel)


class Segments:
    """Calls the API for one network. Use it as a context manager, or close it; threads may share it.

    timeout: seconds of one request. attempts: the most requests for one call; between them it waits as long as the API
    says (Retry-After), at most longest_wait seconds. All calls may be repeated: commands have an idempotency key.
    transport: of httpx2, for a proxy or a client certificate.
    """

    def __init__(
        self,
        url: str,
        network_id: str,
        key: str,
        *,
        timeout: float = 60.0,
        attempts: int = 8,
        longest_wait: float = 60.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._http = httpx2.Client(
            base_url=f"{url.rstrip('/')}/networks/{quote(network_id, safe='')}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout,
            transport=transport,
        )
        self._retrying: dict[str, Any] = {
            "on": backoff(longest_wait),
            "attempts": attempts,
            "timeout": None,
        }

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def publish(
        self, command: Command, *, idempotency_key: str | None = None, wait: int | None = None
    ) -> Queued:
        """Publish a command, once for any number of attempts; returns its position in Kafka.

        idempotency_key: made for the call unless given; give one that you keep if the program may start again.
        wait: seconds to wait for the outcome, up to 30.
        """
        key = idempotency_key or batches.new_key()
        headers = {"Idempotency-Key": key} | ({} if wait is None else {"Prefer": f"wait={wait}"})
        return Queued.model_validate_json(
            self._send("POST", "/segments", headers, batches.encode(command))
        )

    def publish_many(self, commands: Iterable[Command]) -> Batch:
        """Publish commands, each once; returns what became of each.

        Commands of one user keep their order only if they have times: one that is sent again may arrive after the next.

        Raises: NotAllTakenError, if some were not taken after all attempts, or all are refused, as for a wrong API key.
        """
        batch = Batch()
        numbered = list(enumerate(commands))
        sender = Sender(batch, self._post_batch, self._publish_item)
        for request in batches.requests(numbered):
            try:
                self._send_all(sender, request)
            except (Left, ProblemError, httpx2.TransportError) as error:
                known = batch.queued.keys() | batch.refused.keys()
                left = [number for number, _ in numbered if number not in known]
                raise NotAllTakenError(batch, left) from error
        return batch

    def _send_all(self, sender: Sender, commands: list[batches.Numbered]) -> None:
        for attempt in stamina.retry_context(**self._retrying | {"on": Left}):
            with attempt:
                commands = sender.send(commands)
                if commands:
                    raise Left

    def _post_batch(self, body: bytes, key: str) -> bytes:
        return self._send("POST", "/segments/batch", {"Idempotency-Key": key}, body)

    def _publish_item(self, command: Command, key: str) -> Queued:
        return self.publish(command, idempotency_key=key)

    def members(self, segment_id: int, **options: str) -> Iterator[Member]:
        """Read the members of a segment, page by page. options: as_of, known_at, snapshot, sort, limit."""
        for page in self._pages(f"/segments/{segment_id}/members", Members, options):
            yield from page.members

    def member(self, segment_id: int, user: str, **options: str) -> OneMember:
        """Read one user in one segment. options: as_of, known_at, snapshot."""
        return self._get(f"/segments/{segment_id}/members", OneMember, {"user": user} | options)

    def user_segments(self, user: str, **options: str) -> Iterator[UserSegment]:
        """Read the segments of a user, page by page. options: as_of, known_at, snapshot."""
        for page in self._pages("/users/segments", UserSegments, {"user": user} | options):
            yield from page.segments

    def explain(self, segment_id: int, user: str) -> Explanation:
        """Read why a user is a member of a segment, or is not."""
        return self._get(f"/segments/{segment_id}/explanation", Explanation, {"user": user})

    def results(
        self, *, reference_id: str | None = None, position: str | None = None
    ) -> Iterator[Result]:
        """Read the results of the commands with a reference, or at a position, topic:partition:offset."""
        asked = {"reference_id": reference_id, "position": position}
        options = {name: value for name, value in asked.items() if value is not None}
        for page in self._pages("/results", Results, options):
            yield from page.results

    def sizes(self) -> list[Size]:
        """Read how large each segment is."""
        return self._get("/sizes", Sizes, {}).sizes

    def segments(self) -> list[SegmentShown]:
        """Read the segments of the network; needs scope admin."""
        return self._get("/admin/segments", SegmentsShown, {}).segments

    def _pages(self, path: str, model: type[Model], options: dict[str, str]) -> Iterator[Any]:
        page: Any = self._get(path, model, options)
        yield page
        while page.next is not None:
            page = self._get(path, model, options | {"cursor": page.next})
            yield page

    def _get(self, path: str, model: type[Model], query: dict[str, str]) -> Model:
        return model.model_validate_json(self._send("GET", path, query=query))

    def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        query: dict[str, str] | None = None,
    ) -> bytes:
        for attempt in stamina.retry_context(**self._retrying):
            with attempt:
                response = self._http.request(
                    method, path, headers=headers, content=content, params=query
                )
                raise_problem(response)
        return response.content
