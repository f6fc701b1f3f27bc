"""The fast append: small batches of several lanes in one statement, if all of them are ordinary.

An ordinary batch holds only events, as far as is known beforehand. If the statement finds an exception, it is rolled
back, and each lane is appended alone (`append.py`), which handles every case.
"""

from __future__ import annotations

from dataclasses import astuple
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from schemas.headers import UNSIGNED_SOURCE
from service.log.batch import Stored, move_of
from service.log.copy_format import copy_row, lane_bytes
from service.postgres.database import statements
from service.runtime.backoff import INFRASTRUCTURE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.log.batch import Batch
    from service.log.validate import ValidCommand
    from service.postgres.database import Database

SQL = statements("service.log.sql")
# The most records of a small batch; for more, a COPY alone is as fast.
LITTLE = 100
# Lanes in one statement.
MOST_LANES = 32


def is_ordinary(batch: Batch) -> bool:
    """Whether a batch is little and seems to hold only events."""
    candidates = batch.candidates
    count = len(candidates)
    return (
        0 < count <= LITTLE
        and batch.next_offset - batch.start == count
        and not batch.rejected
        and not batch.names_later
        and all(
            c.segment_key is not None
            and not c.archived
            and c.idempotency is None
            and c.expired is None
            and c.headers.signature_fault is None
            for c in candidates
        )
        and len({c.place for c in candidates}) == count
    )


async def append_many(database: Database, batches: Sequence[Batch]) -> list[bool]:
    """Append ordinary batches of several lanes; return for each whether it is in the log now.

    It raises no error: appending the lane alone meets the same error again. If the log already holds one of the
    commands, the batches are marked (`may_repeat`).
    """
    rests_on = batches[0].rests_on
    chosen = {b.lane_id: b for b in reversed(batches) if b.rests_on == rests_on}
    mine = list(chosen.values())
    # Events in identity order, signatures in that of their index, so that appends never deadlock.
    events = [_new_event(batch, candidate) for batch in mine for candidate in batch.candidates]
    events.sort(key=attrgetter("person_id", "segment_key", "time", "reference_id", "discriminator"))
    nonces = sorted(c.headers.nonce for b in mine for c in b.candidates if c.headers.nonce)
    try:
        async with database.single() as connection:
            done = await connection.fetchval(
                SQL["append_many"],
                [move_of(batch, ordinarily_stored(batch)) for batch in mine],
                events,
                [nonce.signed_at for nonce in nonces],
                [nonce.digits for nonce in nonces],
                *astuple(rests_on),
            )
    except asyncpg.UniqueViolationError:
        done = False
        for batch in mine:
            batch.may_repeat = True
    except INFRASTRUCTURE:
        done = False
    return [bool(done) and chosen.get(batch.lane_id) is batch for batch in batches]


def ordinarily_stored(batch: Batch) -> Stored:
    """Return what an ordinary batch was stored as."""
    return Stored(batch.next_offset, len(batch.candidates), 0, 0, 0, {})


class _NewEvent(NamedTuple):
    """segments.new_event."""

    lane_id: int
    kafka_offset: int
    segment_key: int
    person_id: int
    time: int
    received_ms: int
    user_status: int
    content: bytes
    reference_id: str
    discriminator: str
    expires_at: int | None
    source: str | None
    actor: str | None
    request_id: str | None
    user_sent: str | None
    description: str | None
    metadata: str | None
    covered: bytes


def _new_event(batch: Batch, candidate: ValidCommand) -> _NewEvent:
    if not candidate.covered:
        copy_row(candidate, lane_bytes(batch.lane))
    person_id, segment_key, time, reference_id, discriminator = candidate.place
    command, headers = candidate.command, candidate.headers
    return _NewEvent(
        batch.lane_id, candidate.record.offset, segment_key, person_id, time, candidate.received_ms,
        command.user_status, candidate.content, reference_id, discriminator, command.expires_at,
        None if headers.source == UNSIGNED_SOURCE else headers.source, headers.actor, headers.request_id,
        None if command.user_sent == command.user else command.user_sent, command.description, command.metadata,
        candidate.covered,
    )  # fmt: skip
