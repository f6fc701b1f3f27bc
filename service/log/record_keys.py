"""The person named by a rejected record's key: `network_id:user` is known even if the value can't be read.

If the topic may not carry commands of that network, the person is stored under no network, as `network_id:user`, so
that an erasure finds the record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.command.rules import MAX_USER_LENGTH, is_network_id, normalise_user
from service.log.erased_names import find_erased
from service.log.people import People
from service.registry.topic_rules import speaks_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from service.log.people import Identifier
    from service.log.validate import RejectedRecord
    from service.registry.topic_rules import Allowed

NO_NETWORK = ""  # no network_id is empty


async def name_by_keys(
    connection: asyncpg.Connection[Any], refused: Iterable[RejectedRecord], allowed: Allowed | None
) -> None:
    """Set key_person_id of records whose key names another person than their value, so that an erasure finds both.

    New people are made. It runs in the transaction that stores the records, where all rejections are known and which
    excludes erasures; so the people are not cached. allowed: the rules of the topic.
    """
    named = [
        (one, identifier)
        for one in refused
        if (identifier := _also_named(one, allowed)) is not None
        and identifier != (one.network_id, one.user)
    ]
    identifiers = {identifier for _, identifier in named}
    erased = await find_erased(connection, identifiers)
    people = await People(0).find(connection, identifiers - erased)
    for one, identifier in named:
        one.key_person_id = people[identifier].person_id if identifier in people else None


def _also_named(refused: RejectedRecord, allowed: Allowed | None) -> Identifier | None:
    """Return the other person that a rejected record names: in its value, if not allowed to, else in its key."""
    identifier = named_by(refused.record.key)
    disowned = None if identifier is None or speaks_for(allowed, identifier[0]) else identifier
    if refused.named is not None:
        network_id, user = refused.named
        if user is not None:
            disowned = (network_id, user)
        elif identifier is not None and identifier[0] == network_id:
            disowned = identifier
    return identifier if disowned is None else (NO_NETWORK, ":".join(disowned))


def named_by(key: bytes | None) -> Identifier | None:
    """Read (network_id, normalised user) from a record's key; None if it is not of the form `network_id:user`.

    A user may contain a colon, a network_id may not.
    """
    try:
        network_id, colon, user = (key or b"").decode().partition(":")
    except UnicodeDecodeError:
        return None
    user = normalise_user(user)
    if not colon or not is_network_id(network_id) or "\0" in user:
        return None
    return (network_id, user) if 0 < len(user) <= MAX_USER_LENGTH else None
