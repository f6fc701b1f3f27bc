"""POST of commands, one or many: check, publish, answer from the broker's acknowledgement."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from opentelemetry.trace import SpanKind

from schemas.command import check_size
from schemas.command.refusal import Reason, Refusal
from schemas.headers import IDEMPOTENCY_KEY, TRACEPARENT
from schemas.position import LOG_APPEND_TIME
from service.http.kit.problems import Problem, of_error, of_refusal, registry_away
from service.http.kit.raw_request import MAX_BATCH_BODY, MAX_BODY
from service.http.publishing.body import Intake, split_batch, take
from service.http.publishing.options import (
    check_batch_query,
    idempotency_key,
    is_dry_run,
    is_lines,
    item_keys,
    traceparent,
    wait_seconds,
)
from service.http.publishing.publisher import Record
from service.http.publishing.room import RECORD_BYTES
from service.kafka.publish import Sender, queued, signed_headers
from service.registry.api_keys import Scope
from service.runtime.errors import DatabaseAwayError
from service.runtime.tracing import TRACER, carried, traceparent_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from uuid import UUID

    from aiokafka.structs import RecordMetadata

    from schemas.command import Command
    from service.http.kit.auth import Access, Admission
    from service.http.kit.raw_request import Call
    from service.http.publishing.publisher import Publisher
    from service.http.publishing.registry_cache import RegistryCache
    from service.kafka.publish import Header
    from service.runtime.settings import Settings


# So many of a batch are read in a step: about as much work as one command is.
ITEMS_AT_ONCE = 5


class Handle(NamedTuple):
    """Where the broker put a record; its lane's epoch is the one that is open.

    topic_id: Kafka's id of the topic, as it was known before the record was sent; None where the broker tells none.
    received_ms: the broker's time, or None where the record has its producer's.
    """

    topic: str
    partition: int
    offset: int
    topic_id: UUID | None = None
    received_ms: int | None = None


class Outcomes(Protocol):
    """What the read side knows of commands; given by segments.http, for service imports no projection."""

    async def wait(self, network_id: str, handle: Handle, seconds: float) -> dict[str, Any] | None:
        """Give a row of view result, with `detail`, once it is no longer `queued`; None when the seconds pass."""

    async def foresee(self, command: Command, idempotency_key: str | None) -> dict[str, Any]:
        """Say what would become of a command: outcome, reason, before, after. Raises: DatabaseAwayError."""


class Sending(NamedTuple):
    """Who publishes, and under which idempotency key."""

    admission: Admission
    sender: Sender
    idempotency_key: str | None
    traceparent: str | None


class PublishingRoutes:
    """Takes commands over HTTP."""

    def __init__(
        self,
        access: Access,
        segments: RegistryCache,
        publisher: Publisher,
        outcomes: Outcomes,
        settings: Settings,
    ) -> None:
        self._access = access
        self._segments = segments
        self._publisher = publisher
        self._outcomes = outcomes
        self._settings = settings

    async def post_one(self, call: Call) -> None:
        """Take one command: 201; with dry_run 200; with Prefer: wait 200 or 202."""
        await self._traced(call, "POST /networks/{network_id}/segments", self._post_one)

    async def _post_one(self, call: Call) -> None:
        sending = await self._sending(call)
        dry = is_dry_run(call)
        try:
            body = await call.body(MAX_BODY)
            since = asyncio.get_running_loop().time()
            intake = take(body, sending.admission.network_id)
            await self._check(intake, sending.idempotency_key, since)
            if dry:
                foreseen = await self._outcomes.foresee(intake.command, sending.idempotency_key)
                await call.answer(200, foreseen)
                return
        except Refusal as refusal:
            raise of_refusal(refusal) from refusal
        except DatabaseAwayError:
            raise registry_away("no") from None
        topic_id = self._publisher.topic_id
        room, cost = self._publisher.room, len(intake.value) + RECORD_BYTES
        room.take(sending.admission.network_id, cost)
        record = self._record(sending, intake, sending.idempotency_key, cost)
        try:
            await self._publisher.submit(record)
        except BaseException:
            room.give_back(sending.admission.network_id, cost)
            raise
        sent = await record.sent
        if isinstance(sent, Problem):
            raise sent
        told = queued(intake.command, sent)
        seconds = wait_seconds(call)
        if seconds is None:
            await call.answer(201, told)
            return
        handle = _handle(sent, topic_id)
        result = await self._outcomes.wait(call.network_id, handle, seconds)
        applied = {"Preference-Applied": f"wait={int(seconds)}"}
        if result is None:
            await call.answer(202, told | {"outcome": "queued"}, applied)
        else:
            await call.answer(200, _settled(told, result), applied)

    async def _check(self, intake: Intake, key: str | None, since: float) -> None:
        """Check a command that was read, in the contract's order. key: its own. since: as RegistryCache has it.

        Raises: Refusal, DatabaseAwayError.
        """
        await self._segments.check_received(intake.command, since)
        try:
            await self._segments.check_segment(intake.command, since)
        except Refusal as refusal:
            archived = refusal.reason is Reason.SEGMENT_ARCHIVED
            if not (archived and await self._is_repeat(intake.command, key)):
                raise

    async def _is_repeat(self, command: Command, key: str | None) -> bool:
        """Whether the log has a command already: its publisher retries, and is told as the first time."""
        if key is None and command.status_change_timestamp is None:
            return False
        foreseen = await self._outcomes.foresee(command, key)
        return bool(foreseen["outcome"] == "duplicate")

    async def post_batch(self, call: Call) -> None:
        """Take up to 1,000 commands: 207, with what became of each, in their order."""
        await self._traced(call, "POST /networks/{network_id}/segments/batch", self._post_batch)

    async def _traced(self, call: Call, name: str, post: Callable[[Call], Awaitable[None]]) -> None:
        """Post in a span of the caller's trace, which the records carry on."""
        if self._settings.otlp_endpoint is None:
            await post(call)
            return
        context = carried(call.header(b"traceparent"))
        with TRACER.start_as_current_span(name, context, SpanKind.SERVER) as span:
            call.traceparent = traceparent_of(span)
            await post(call)

    async def _post_batch(self, call: Call) -> None:
        sending = await self._sending(call)
        check_batch_query(call)
        try:
            body = await call.body(MAX_BATCH_BODY)
            items = await asyncio.to_thread(split_batch, body, lines=is_lines(call))
        except Refusal as refusal:
            raise of_refusal(refusal) from refusal
        keys = item_keys(sending.idempotency_key, len(items))
        network_id = sending.admission.network_id
        room, left = self._publisher.room, len(body) + len(items) * RECORD_BYTES
        # All of it or nothing, before anything is read.
        room.take(network_id, left)
        try:
            self._access.charge(sending.admission, len(items), "no")
            began = asyncio.get_running_loop().time()
            taken = [one async for one in _take_items(items, network_id)]
            named = [one.command for one in taken if isinstance(one, Intake)]
            await self._segments.look_up(named, began)
            submitted = []
            for number, (key, item, one) in enumerate(zip(keys, items, taken, strict=True), 1):
                cost = len(item) + RECORD_BYTES
                submitted.append(await self._submit_item(sending, key, one, cost, began))
                if not isinstance(submitted[-1], Problem):
                    left -= cost
                if number % ITEMS_AT_ONCE == 0:
                    await asyncio.sleep(0)  # let others go on between
        finally:
            room.give_back(network_id, left)
        answers = [await _answer_item(number, one) for number, one in enumerate(submitted)]
        await call.answer(207, {"items": answers})

    async def _submit_item(
        self, sending: Sending, key: str | None, taken: Intake | Problem, cost: int, began: float
    ) -> Any:
        """Give an item to the publisher; gives (command, record), or the problem that it has.

        key: its own. cost: what was taken of the room for it. began: the loop's time when its batch was read.
        """
        if isinstance(taken, Problem):
            return taken
        try:
            await self._check(taken, key, began)
            record = self._record(sending, taken, key, cost)
            await self._publisher.submit(record)
        except DatabaseAwayError:
            return registry_away("no")
        except (Problem, Refusal) as error:
            return of_error(error)
        return taken.command, record

    async def _sending(self, call: Call) -> Sending:
        admission = await self._access.admit(
            call.state,
            call.header(b"authorization"),
            call.network_id,
            Scope.PUBLISH,
            published="no",
        )
        sender = Sender("http", admission.key.key_name, call.request_id)
        return Sending(admission, sender, idempotency_key(call), traceparent(call))

    def _record(
        self, sending: Sending, intake: Intake, idempotency_key: str | None, cost: int
    ) -> Record:
        """Make the record of a command. cost: what was taken of the room for it."""
        headers = self._headers(sending, intake, idempotency_key)
        return Record(sending.admission.network_id, intake.key, intake.value, headers, cost)

    def _headers(
        self, sending: Sending, intake: Intake, idempotency_key: str | None
    ) -> list[Header]:
        extra: list[Header] = []
        if idempotency_key is not None:
            extra.append((IDEMPOTENCY_KEY, idempotency_key.encode("ascii")))
        if sending.traceparent is not None:
            extra.append((TRACEPARENT, sending.traceparent.encode("ascii")))
        return signed_headers(
            self._settings, intake.key, intake.value, sending.sender, tuple(extra)
        )


def _handle(sent: RecordMetadata, topic_id: UUID | None) -> Handle:
    received_ms = sent.timestamp if sent.timestamp_type == LOG_APPEND_TIME else None
    return Handle(sent.topic, sent.partition, sent.offset, topic_id, received_ms)


async def _take_items(items: Sequence[bytes], network_id: str) -> AsyncIterator[Intake | Problem]:
    """Read the items of a batch; gives the problem of one that can't be read in its place."""
    for number, item in enumerate(items, 1):
        try:
            check_size(None, item)
            yield take(item, network_id)
        except (Problem, Refusal) as error:
            yield of_error(error)
        if number % ITEMS_AT_ONCE == 0:
            await asyncio.sleep(0)  # let others go on between


async def _answer_item(number: int, submitted: Any) -> dict[str, Any]:
    """Wait for what became of an item. submitted: as `_submit_item` gives it."""
    if not isinstance(submitted, Problem):
        command, record = submitted
        sent = await record.sent
        if not isinstance(sent, Problem):
            return queued(command, sent) | {"status": 201}
        submitted = sent
    body: dict[str, Any] = submitted.body(f"/{number}")
    return body


def _settled(told: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """A command's row of view result, with position and time as in 201; what its row can't say is as it was given."""
    at = result["status_change_timestamp"]
    return (
        result
        | told
        | {
            "status": result["outcome"],
            "reference_id": result["reference_id"] or told["reference_id"],
            "status_change_timestamp": told["status_change_timestamp"]
            if at is None
            else int(at.timestamp()),
        }
    )
