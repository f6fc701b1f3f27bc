"""Reserved identifiers: an erased person is shown as `erased:<n>`, and no other user may have that name.

A person who was erased in another installation, and whose events are replayed here, has that name here too: with the
negative of the number in `erased`, because no erasure of this log has it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from schemas.command.refusal import Reason
from service.log.origins import read_replay
from service.log.validate import rejected
from service.postgres.database import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from service.log.people import Identifier
    from service.log.validate import RejectedRecord, ValidCommand

SQL = statements("service.log.sql")
PREFIX = "erased:"
_NAME: Final = re.compile(rf"{PREFIX}([1-9][0-9]{{0,17}})")


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
    return [
        refuse_name(c)
        for c in alike
        if (c.command.network_id, c.command.user) in taken or _is_of_nobody(c)
    ]


def refuse_name(candidate: ValidCommand) -> RejectedRecord:
    """Reject a command because of its user's name; without a person, so that none with that name is made."""
    why = "/user is the name of an erased person, which is reserved"
    refused = rejected(candidate, Reason.INVALID_FIELD, why)
    refused.user = refused.person_id = None
    return refused


async def find_nobodys(
    connection: asyncpg.Connection[Any], candidates: Iterable[ValidCommand]
) -> dict[int, int]:
    """Find or make the people of replayed events whose person was erased; return person_id by the candidate's `id()`.

    Those whose name is taken here, by a user or by another erased person, are absent.
    """
    alike = [c for c in candidates if _is_of_nobody(c)]
    if not alike:
        return {}
    numbers = [int(c.command.user.removeprefix(PREFIX)) for c in alike]
    networks = [c.command.network_id for c in alike]
    await connection.execute(SQL["make_nobodys"], networks, numbers)
    found = await connection.fetch(SQL["find_nobodys"], networks, numbers)
    return {id(alike[row[0] - 1]): row[1] for row in found}


def _is_of_nobody(candidate: ValidCommand) -> bool:
    replay = read_replay(candidate.headers)
    return replay is not None and replay.is_erased and bool(_NAME.fullmatch(candidate.command.user))
