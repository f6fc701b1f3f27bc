"""Identifiers that can't be had: an erased person is called `erased:<n>`, and nobody else may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.refusal import Reason
from service.log.judge import rejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from service.log.judge import Candidate, RejectedRecord

PREFIX = "erased:"
_TAKEN = """
SELECT w.number - 1 FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (network_id, user_id, number)
WHERE EXISTS (
    SELECT FROM segments.person AS p
    WHERE p.user_id = w.user_id AND p.network_id = w.network_id AND p.erased > 0
)
"""


async def refuse_taken(
    connection: asyncpg.Connection[Any], candidates: Sequence[Candidate]
) -> list[RejectedRecord]:
    """Refuse commands about a user whom only an erased person is called: the views would show two as one.

    They are nobody's, so that nobody is made of that name.
    """
    alike = [c for c in candidates if c.command.user.startswith(PREFIX)]
    if not alike:
        return []
    taken = await connection.fetch(
        _TAKEN, [c.command.network_id for c in alike], [c.command.user for c in alike]
    )
    why = "/user is what an erased person is called; nothing can be said of them"
    refused = [rejected(alike[row[0]], Reason.INVALID_FIELD, why) for row in taken]
    for one in refused:
        one.user = one.person_id = None
    return refused
