"""Reserved identifiers: an erased person is shown as `erased:<n>`, and no other user may have that name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.command.refusal import Reason
from service.log.validate import rejected
from service.postgres.database import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from service.log.people import Identifier
    from service.log.validate import RejectedRecord, ValidCommand

SQL = statements("service.log.sql")
PREFIX = "erased:"


async def find_erased(
    connection: asyncpg.Connection[Any], identifiers: Iterable[Identifier]
) -> set[Identifier]:
    """Return the (network_id, user) that are names of erased people; no query if none has the prefix."""
    prefixed = [one for one in identifiers if one[1].startswith(PREFIX)]
    if not prefixed:
        return set()
    rows = await connection.fetch(SQL["erased_names"], *map(list, zip(*prefixed, strict=True)))
    return {(row[0], row[1]) for row in rows}


async def refuse_erased(
    connection: asyncpg.Connection[Any], candidates: Sequence[ValidCommand]
) -> list[RejectedRecord]:
    """Reject commands about a user with the name of an erased person, because the views would show both as one.

    The rejected records get no person, so that none with that name is made.
    """
    alike = [c for c in candidates if c.command.user.startswith(PREFIX)]
    if not alike:
        return []
    taken = await find_erased(connection, [(c.command.network_id, c.command.user) for c in alike])
    why = "/user is the name of an erased person, which is reserved"
    refused = [
        rejected(c, Reason.INVALID_FIELD, why)
        for c in alike
        if (c.command.network_id, c.command.user) in taken
    ]
    for one in refused:
        one.user = one.person_id = None
    return refused
