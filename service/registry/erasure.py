"""Erasing a person: what there is to blank, and the one function of Postgres that blanks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from service.postgres.database import statements

if TYPE_CHECKING:
    import asyncpg

_SQL = statements("service.registry.sql")
VACUUM = (
    "VACUUM (ANALYZE) segments.person",
    "VACUUM (ANALYZE) segments.event",
    "VACUUM (ANALYZE) segments.rejected",
)
"""What the owner of the tables runs so that pages and planner statistics no longer hold what was blanked."""
# What no erasure reaches; docs/operators/erasure.md says what to do.
REMAINS = (
    "The rows remain and count, under the new name, with their times and reference_id.",
    "Kafka keeps the records until the retention of its topics is over.",
    "Backups, exports, and files that were imported; one that is being imported on the dashboard for a day.",
    f"Postgres keeps old row versions and statistics until it vacuums. At once: {'; '.join(VACUUM)}.",
)


class Content(NamedTuple):
    """What the log has of a person. texts: events with metadata, a description or another spelling of the identifier.

    is_erased: whether that is blanked already.
    """

    is_erased: bool
    segments: int
    events: int
    texts: int
    rejected: int


async def read_content(
    connection: asyncpg.Connection[Any], network_id: str, user: str, *, of_network: bool = False
) -> Content | None:
    """Count what an erasure blanks; None if there is no such person. user: normalised.

    of_network: without the records of topics that may not carry the network, which are nobody's.
    """
    row = await connection.fetchrow(_SQL["erasure_content"], network_id, user, of_network)
    return Content(**dict(row)) if row else None


async def erase(
    connection: asyncpg.Connection[Any], network_id: str, user: str, actor: str, reason: str
) -> str | None:
    """Erase a person; return the name under which their rows remain, None if there is no such person.

    user: normalised. It waits for the appends that are under way. With role segments_operate or segments_registry.
    """
    number = await connection.fetchval(
        "SELECT segments.erase_person($1, $2, $3, $4)", network_id, user, actor, reason
    )
    return None if number is None else f"erased:{number}"
