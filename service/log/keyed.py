"""Whose a refused record is by its key: `network_id:user` names a person also where the value can't be read.

Whom a record names though its topic may not speak for that network is no person of that network by it. Such a name
stands in a network of nobody's, as `network_id:user`, so that erasure finds what was said of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.command.rules import MAX_USER_LENGTH, is_network_id, normalise_user
from service.log.people import People
from service.log.taken import find_taken
from service.registry.topic_rules import speaks_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from service.log.people import Who
    from service.log.validate import RejectedRecord
    from service.registry.topic_rules import Allowed

NOBODYS = ""  # no network_id is empty


async def name_by_keys(
    connection: asyncpg.Connection[Any], refused: Iterable[RejectedRecord], allowed: Allowed | None
) -> None:
    """Fill in key_person_id, making who is new: where a key names another person than the value, erasure finds both.

    In the transaction that stores them, for only there it is known what is refused; erasure is kept out of it. Nobody
    is remembered: who is made here is there only once that is committed. allowed: what their topic may say.
    """
    named = [
        (one, who)
        for one in refused
        if (who := _also_named(one, allowed)) is not None and who != (one.network_id, one.user)
    ]
    wanted = {who for _, who in named}
    people = await People(0).find(connection, wanted - await find_taken(connection, wanted))
    for one, who in named:
        one.key_person_id = people[who].person_id if who in people else None


def _also_named(refused: RejectedRecord, allowed: Allowed | None) -> Who | None:
    """Give whom a refused record names besides its person: by the value without a right to, else by the key."""
    who = named_by(refused.record.key)
    disowned = None if who is None or speaks_for(allowed, who[0]) else who
    if refused.named is not None:
        network_id, user = refused.named
        if user is not None:
            disowned = (network_id, user)
        elif who is not None and who[0] == network_id:
            disowned = who
    return who if disowned is None else (NOBODYS, ":".join(disowned))


def named_by(key: bytes | None) -> Who | None:
    """Read (network_id, normalised user) of a record's key; None where it is of another form than `network_id:user`.

    A user may hold a colon, a network_id may not.
    """
    try:
        network_id, colon, user = (key or b"").decode().partition(":")
    except UnicodeDecodeError:
        return None
    user = normalise_user(user)
    if not colon or not is_network_id(network_id) or "\0" in user:
        return None
    return (network_id, user) if 0 < len(user) <= MAX_USER_LENGTH else None
