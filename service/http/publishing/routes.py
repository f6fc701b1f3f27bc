"""The pipeline of a POST of commands, one or many: authorize, read, check, publish, answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec
from fastapi import APIRouter
from fastapi.routing import APIRoute
from opentelemetry.trace import get_current_span
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it

from schemas.command.refusal import Reason, Refusal
from schemas.headers import IDEMPOTENCY_KEY, TRACEPARENT
from schemas.position import LOG_APPEND_TIME
from service.http.kit.problems import Problem
from service.http.kit.request_body import MAX_BATCH_BODY, MAX_BODY, read_body
from service.http.kit.shares import Shares
from service.http.publishing import openapi
from service.http.publishing.bare_route import Answer, PublishingRoute
from service.http.publishing.body import Item, split_batch
from service.http.publishing.options import first_headers, read_options
from service.http.publishing.partition_queue import Record
from service.kafka.publish import Sender, queued, signed_headers
from service.registry.api_keys import Scope
from service.runtime.errors import DatabaseAwayError
from service.runtime.tracing import traceparent_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from aiokafka.structs import RecordMetadata

    from schemas.command import Command
    from service.http.kit.auth import Access, Admission
    from service.http.publishing.options import Options
    from service.http.publishing.publisher import Publisher
    from service.http.publishing.registry_cache import RegistryCache
    from service.kafka.publish import Header
    from service.runtime.settings import Settings

PATH = "/networks/{network_id}/segments"
# Items of a batch to process before yielding to other requests: about as much work as a single command.
ITEMS_AT_ONCE = 5
# A longer item is read by itself: it may take a hundred times as long as a usual one.
LONG_BYTES = 4 * 1024
# A longer batch is split in a thread, for which it waits for at most so many seconds.
SPLIT_AT_ONCE_BYTES = 16 * 1024
SPLIT_SECONDS = 5.0
_encode = msgspec.json.Encoder().encode


class Handle(NamedTuple):
    """The position of a published record; its epoch is that of the open lane.

    topic_id: Kafka's id of the topic, read before the record was sent; None if the broker has no topic ids.
    received_ms: the broker's time; None if the record has its producer's.
    """

    topic: str
    partition: int
    offset: int
    topic_id: UUID | None = None
    received_ms: int | None = None


class OutcomeReader(Protocol):
    """Access to the outcomes of commands. `segments.http` passes it in, because service imports no projection."""

    async def wait(self, network_id: str, handle: Handle, seconds: float) -> dict[str, Any] | None:
        """Return the row of view result, with `detail`, once it is not `queued`; None if the seconds pass."""

    async def predict(self, command: Command, idempotency_key: str | None) -> dict[str, Any]:
        """Return what a command would do: outcome, reason, before, after. Raises: DatabaseAwayError."""


class Post(NamedTuple):
    """An authorized request, with its options."""

    admission: Admission
    options: Options
    sender: Sender

    @property
    def network_id(self) -> str:
        """The network of its key and path."""
        return self.admission.network_id


class Publishing:
    """The two calls that publish."""

    def __init__(
        self,
        access: Access,
        registry: RegistryCache,
        publisher: Publisher,
        outcomes: OutcomeReader,
        settings: Settings,
    ) -> None:
        self._access = access
        self._registry = registry
        self._publisher = publisher
        self._outcomes = outcomes
        self._settings = settings
        # One thread at a time, because threads take the interpreter from the event loop; networks take turns.
        self._splitting = Shares(1)

    def routes(self) -> list[APIRoute]:
        """Return their routes."""
        router = APIRouter(tags=[openapi.TAG], route_class=PublishingRoute)
        for path, endpoint, options in (
            (PATH, self.post_one, openapi.ONE),
            (f"{PATH}/batch", self.post_batch, openapi.BATCH),
        ):
            router.add_api_route(path, endpoint, methods=["POST"], response_model=None, **options)
        return [route for route in router.routes if isinstance(route, APIRoute)]

    async def post_one(self, request: Request) -> Answer:
        """201 once the broker has acknowledged the command; 200 with `dry_run`; 200 or 202 with `Prefer: wait`."""
        post = await self._authorize(request, is_batch=False)
        options = post.options
        item = Item(await read_body(request, MAX_BODY), options.idempotency_key)
        if options.is_dry_run:
            return Answer(200, _encode(await self.predict(post, item)))
        body, handle = await self.send(post, item)
        if options.wait_seconds is None:
            return Answer(201, _encode(body))
        result = await self._outcomes.wait(post.network_id, handle, options.wait_seconds)
        applied = (b"preference-applied", b"wait=%d" % options.wait_seconds)
        if result is None:
            return Answer(202, _encode(body | {"outcome": "queued"}), (applied,))
        return Answer(200, _encode(_settled(body, result)), (applied,))

    async def send(self, post: Post, item: Item) -> tuple[dict[str, Any], Handle]:
        """Publish one command; return the body of 201, and its position once the broker has acknowledged it.

        Raises: Problem, with `published` if it is not certain that the command is not in Kafka; Refusal,
        DatabaseAwayError.
        """
        topic_id = self._publisher.topic_id
        await self._publish(post, [item])
        sent = await item.sent()
        if isinstance(sent, Problem):
            raise sent
        return queued(item.command, sent), _handle(sent, topic_id)

    async def send_many(self, post: Post, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Publish commands with keys of their own; return the answer to each, as a batch has it. Raises: as `send`."""
        await self._publish(post, items)
        return [await _answer_item(number, item) for number, item in enumerate(items)]

    async def check(self, post: Post, items: Sequence[Item]) -> None:
        """Read and check commands, and publish none; sets the problem of those that are refused."""
        await self._read(post, items)

    async def predict(self, post: Post, item: Item) -> dict[str, Any]:
        """Return what a command would do. Raises: Problem, DatabaseAwayError."""
        await self._read(post, [item])
        if item.problem is not None:
            raise item.problem
        return await self._outcomes.predict(item.command, item.idempotency_key)

    async def post_batch(self, request: Request) -> Answer:
        """207 once the broker has responded for every command: the response that each would have alone, in order."""
        post = await self._authorize(request, is_batch=True)
        body = await read_body(request, MAX_BATCH_BODY)
        items = await self._split(post, body)
        del body  # the items have copies
        for item, key in zip(items, post.options.item_keys(len(items)), strict=True):
            item.idempotency_key = key
        return Answer(207, _encode({"items": await self.send_many(post, items)}))

    async def _split(self, post: Post, body: bytes) -> list[Item]:
        is_lines = post.options.is_lines
        if len(body) <= SPLIT_AT_ONCE_BYTES:
            return split_batch(body, is_lines=is_lines)
        async with self._splitting.place(post.network_id, SPLIT_SECONDS):
            return await asyncio.to_thread(split_batch, body, is_lines=is_lines)

    async def _authorize(self, request: Request, *, is_batch: bool) -> Post:
        scope = request.scope
        state, headers = scope["state"], first_headers(scope)
        admission = await self._access.admit(
            state, scope["path_params"]["network_id"], Scope.PUBLISH
        )
        sender = Sender("http", admission.key.key_name, state["request_id"])
        return Post(admission, read_options(scope, headers, is_batch=is_batch), sender)

    async def _publish(self, post: Post, items: Sequence[Item]) -> None:
        """Read, check and publish items. Rate and room accept all or none; after that each may have its own problem.

        Raises: Problem 413, 429 or 503, before any item is read.
        """
        network_id, room = post.network_id, self._publisher.room
        left = sum(item.cost for item in items)
        room.take(network_id, left)
        try:
            if len(items) > 1:  # `admit` has counted one
                self._access.charge(post.admission, len(items))
            await self._read(post, items)
            for number, item in enumerate(items, 1):
                if item.problem is None:
                    try:
                        item.record = self._record(post, item)
                        await self._publisher.submit(item.record)
                        left -= item.cost
                    except Problem as problem:
                        item.refuse(problem)
                if number % ITEMS_AT_ONCE == 0:
                    await asyncio.sleep(0)
        finally:
            if left:
                room.give_back(network_id, left)

    async def _read(self, post: Post, items: Sequence[Item]) -> None:
        """Read and check items, in the contract's order; sets the problem of those that are refused."""
        since = asyncio.get_running_loop().time()
        for number, item in enumerate(items, 1):
            try:
                item.read(post.network_id)
            except Refusal as refusal:
                item.refuse(refusal)
            if number % ITEMS_AT_ONCE == 0 or len(item.value) > LONG_BYTES:
                await asyncio.sleep(0)
        good = [item for item in items if item.problem is None]
        if len(good) > 1:  # the segment of a single command is looked up when it is checked
            await self._registry.look_up((item.command for item in good), since)
        for number, item in enumerate(good, 1):
            try:
                await self._check(item, since)
            except (DatabaseAwayError, Problem, Refusal) as error:
                item.refuse(error)
            if number % ITEMS_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _check(self, item: Item, since: float) -> None:
        """Check a command that was read. since: as for RegistryCache. Raises: Refusal, DatabaseAwayError."""
        await self._registry.check_received(item.command, since)
        try:
            await self._registry.check_segment(item.command, since)
        except Refusal as refusal:
            archived = refusal.reason is Reason.SEGMENT_ARCHIVED
            if not (archived and await self._is_repeat(item)):
                raise

    async def _is_repeat(self, item: Item) -> bool:
        """Whether the log has the command already; such a retry gets the same response as the first request."""
        if item.idempotency_key is None and item.command.status_change_timestamp is None:
            return False
        predicted = await self._outcomes.predict(item.command, item.idempotency_key)
        return bool(predicted["outcome"] == "duplicate")

    def _record(self, post: Post, item: Item) -> Record:
        """Build the record of a command."""
        extra: list[Header] = []
        if item.idempotency_key is not None:
            extra.append((IDEMPOTENCY_KEY, item.idempotency_key.encode("ascii")))
        traceparent = post.options.traceparent
        if self._settings.otlp_endpoint is not None:  # FastAPI's span of the request is the parent
            traceparent = traceparent_of(get_current_span()) or traceparent
        if traceparent is not None:
            extra.append((TRACEPARENT, traceparent.encode("ascii")))
        headers = signed_headers(self._settings, item.key, item.value, post.sender, tuple(extra))
        return Record(post.network_id, item.key, item.value, headers, item.cost)


async def _answer_item(number: int, item: Item) -> dict[str, Any]:
    sent = await item.sent()
    if isinstance(sent, Problem):
        return sent.body(f"/{number}", item.line)
    return queued(item.command, sent) | {"status": 201}


def _handle(sent: RecordMetadata, topic_id: UUID | None) -> Handle:
    received_ms = sent.timestamp if sent.timestamp_type == LOG_APPEND_TIME else None
    return Handle(sent.topic, sent.partition, sent.offset, topic_id, received_ms)


def _settled(queued_body: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Merge a row of view result into the body of 201; position, time, and missing values come from that body."""
    at = result["status_change_timestamp"]
    return (
        result
        | queued_body
        | {
            "status": result["outcome"],
            "reference_id": result["reference_id"] or queued_body["reference_id"],
            "status_change_timestamp": queued_body["status_change_timestamp"]
            if at is None
            else int(at.timestamp()),
        }
    )
