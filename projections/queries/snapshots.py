"""Snapshot tokens, and the states that were shown with one, or stood at a moment."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg

from service.postgres.database import statements
from service.runtime.errors import SnapshotError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from projections.queries.rows import Moment

_SQL = statements("projections.queries.sql")
COLUMNS = ("network_id", "segment_id", "user_id", "is_member", "override")
# A whole network's states are folded from the log before the first is read.
SECONDS = 6 * 3600
_AT_ONCE = 1000


class Wanted(NamedTuple):
    """Which keys are asked for; None: of any."""

    network_id: str | None = None
    segment_id: int | None = None
    user: str | None = None


async def take_snapshot(connection: asyncpg.Connection[Any]) -> str:
    """Give a token of what the views show."""
    token: str = await connection.fetchval("SELECT reporting.snapshot()")
    return token


@contextmanager
def refused_snapshots() -> Iterator[None]:
    """Turn what Postgres says of a token into SnapshotError."""
    try:
        yield
    except asyncpg.InvalidParameterValueError as error:
        raise SnapshotError(error.args[0]) from error


async def read_states(
    connection: asyncpg.Connection[Any], moment: Moment, wanted: Wanted
) -> AsyncIterator[dict[str, Any]]:
    """Yield rows with COLUMNS, by key; in a transaction, whose statement_timeout is long enough.

    Raises: SnapshotError; WrongUseError for a snapshot together with known_at.
    """
    if moment.snapshot is not None and moment.known_at is not None:
        raise WrongUseError("A snapshot says what was known: known_at can't be combined with it.")
    if moment.snapshot is None:
        query = connection.cursor(
            _SQL["as_of"], moment.as_of, moment.known_at, *wanted, prefetch=_AT_ONCE, timeout=SECONDS
        )  # fmt: skip
    else:
        query = connection.cursor(
            _SQL["as_shown"], moment.as_of, moment.snapshot, *wanted, prefetch=_AT_ONCE, timeout=SECONDS
        )  # fmt: skip
    with refused_snapshots():
        async for row in query:
            yield dict(row)
