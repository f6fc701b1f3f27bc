"""Identifiers that can't be had: an erased person is called `erased:<n>`, and nobody else may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.refusal import Reason
from service.log.judge import rejected

if TYPE_CHECKING:
    import asyncpg

    from service.log.judge import Candidate
    from service.log.prepare import Batch

_TAKEN = """
SELECT w.number FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (network_id, user_id, number)
WHERE EXISTS (
    SELECT FROM segments.person AS p
    WHERE p.user_id = w.user_id AND p.network_id = w.network_id AND p.erased > 0
)
"""


async def refuse_taken(
    connection: asyncpg.Connection[Any], batch: Batch, strangers: list[Candidate]
) -> list[Candidate]:
    """Refuse commands about `erased:<n>` where an erased person is called that: the views would show two as one.

    They are nobody's, for nobody else may be given that name. Gives the others.
    """
    alike = [c for c in strangers if c.command.user.startswith("erased:")]
    if not alike:
        return strangers
    taken = await connection.fetch(
        _TAKEN, [c.command.network_id for c in alike], [c.command.user for c in alike]
    )
    refused = {id(alike[row["number"] - 1]) for row in taken}
    for candidate in alike:
        if id(candidate) in refused:
            batch.candidates.remove(candidate)
            why = "/user is what an erased person is called; nothing can be said of them"
            refusal = rejected(candidate, Reason.INVALID_FIELD, why)
            refusal.user = refusal.person_id = None
            batch.rejected.append(refusal)
    return [c for c in strangers if id(c) not in refused]
