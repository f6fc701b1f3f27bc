"""Retries of rejected records through the API: what a key may retry, few at once, and each in its own transaction."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from schemas.command.refusal import Reason
from service.http.kit.problems import Problem, unavailable
from service.http.kit.shares import Shares
from service.kafka.clients import producing
from service.operations.rejected import show_rejected
from service.operations.retries import NEVER, check_retry, retry_rejected
from service.registry.api_keys import Scope
from service.runtime.errors import NotThereError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import asyncpg
    from aiokafka import AIOKafkaProducer

    from schemas.position import Position
    from service.http.kit.auth import Admission
    from service.http.kit.database import SharedDatabase

RETRY_SECONDS = 10
# Retries at once, each with a producer of its own: one of each network while others wait.
RETRIES_AT_ONCE = 2
# A retry is published to <prefix>.commands, which may carry everything. Only records that were found to be allowed on
# their own topic before they were rejected may be retried without an operator.
RETRYABLE = frozenset(
    {
        Reason.TIMESTAMP_IN_FUTURE,
        Reason.UNKNOWN_SEGMENT,
        Reason.SEGMENT_ARCHIVED,
        Reason.UNSTORABLE,
    }
)


def may_retry(scopes: Collection[Scope], reason: str) -> bool:
    """Whether a key of these scopes may retry records of a reason: see RETRYABLE."""
    mends = reason not in NEVER
    return mends and Scope.PUBLISH in scopes and (reason in RETRYABLE or Scope.OPERATE in scopes)


class Retries:
    """Retries records of a network."""

    def __init__(self, operating: SharedDatabase) -> None:
        """operating: with role segments_operate."""
        self._operating = operating
        self._settings = operating.settings
        self._retrying = Shares(RETRIES_AT_ONCE)

    async def retry(
        self, admission: Admission, positions: Sequence[Position], reason: str | None = None
    ) -> list[dict[str, Any]]:
        """Publish records again; return where each is now, as `retry_rejected` does.

        reason: what all of them were rejected for; None: any reason that the key may retry.
        Raises: Problem 403, 404, 409, 503. What came before the record that it is about has been retried then.
        """
        try:
            async with self._operating.transaction(admission.network_id) as connection:
                await self._find(connection, admission, positions[0], reason)
            async with (
                self._retrying.place(admission.network_id, RETRY_SECONDS),
                asyncio.timeout(RETRY_SECONDS),
                producing(self._settings) as producer,
            ):
                return [await self._one(admission, one, reason, producer) for one in positions]
        except (KafkaError, TimeoutError) as error:
            raise _broker_away() from error

    async def _one(
        self,
        admission: Admission,
        position: Position,
        reason: str | None,
        producer: AIOKafkaProducer,
    ) -> dict[str, Any]:
        async with self._operating.transaction(
            admission.network_id, seconds=2 * RETRY_SECONDS
        ) as connection:
            await self._find(connection, admission, position, reason)
            try:
                return await retry_rejected(
                    connection, producer, self._settings, position, admission.key.key_name
                )
            except KafkaError as error:  # it would count as one of Postgres here
                raise _broker_away() from error

    @staticmethod
    async def _find(
        connection: asyncpg.Connection[Any],
        admission: Admission,
        position: Position,
        reason: str | None,
    ) -> None:
        """Check that a record can be retried. Raises: Problem 403, 404, 409."""
        row = await find_rejected(connection, admission.network_id, position)
        if reason is not None and row["reason"] != reason:
            raise unknown_record(position)
        try:
            await check_retry(connection, row, position)
        except RefusedError as error:
            raise Problem(409, "refused", str(error)) from error
        if not may_retry(admission.key.scopes, row["reason"]):
            raise Problem(403, "forbidden", "this reason takes a key with scope operate")


async def find_rejected(
    connection: asyncpg.Connection[Any], network_id: str, position: Position
) -> asyncpg.Record:
    """Return a rejected record of a network, as `show_rejected` does. Raises: Problem 404."""
    try:
        row = await show_rejected(connection, position)
    except NotThereError as error:
        raise unknown_record(position) from error
    if row["network_id"] != network_id:
        raise unknown_record(position)
    return row


def unknown_record(position: Position) -> Problem:
    """Return the problem 404 of a position without a rejected record of the network."""
    return Problem(404, "not_found", f"There is no rejected record at {position}.")


def _broker_away() -> Problem:
    return unavailable(
        "broker_away",
        "the broker does not answer; what it took is listed as retried, the last record perhaps not: "
        "retried again, it is a duplicate",
    )
