"""Whether events still say what their digests say: worked out again from what stands in each row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from schemas.canonical import canonical_json, canonical_real, content
from schemas.rules import UserStatus
from service.log.expiries import salt_of_expiry
from service.log.identity import AUTO, content_digest

if TYPE_CHECKING:
    import asyncpg

PREFETCH = 2000
# Who is erased has no salt any more: what was said of them can't be worked out again.
_SAID = """
SELECT concat_ws('-', l.topic, l.partition, l.epoch, e.kafka_offset) AS key, p.salt, e.content,
    ('{add,block,reset,enter,leave,expire}'::text[])[e.user_status] AS user_status,
    extract(epoch FROM e.expires_at)::bigint AS expires_at, e.metadata::text AS metadata, e.description,
    e.reference_id, e.discriminator = '' AS time_given,
    e.user_sent IS NOT NULL AND reporting.normalise_user(e.user_sent) <> p.user_id AS another
FROM segments.event AS e
INNER JOIN segments.person AS p ON e.person_id = p.person_id
INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
WHERE p.erased = 0
"""


async def altered_events(
    connection: asyncpg.Connection[Any], limit: int = 100
) -> list[dict[str, str | None]]:
    """Tell the events whose status, expiry, metadata, description or user as sent is not what was accepted.

    In the connection's transaction; memory is bounded. Erased people's events are left out. At most `limit`, with
    view, key (position), expected and found.
    """
    faults: list[dict[str, str | None]] = []
    async for row in connection.cursor(_SAID, prefetch=PREFETCH):
        found = _digest(row)
        if found != row["content"]:
            faults.append(_fault(row["key"], "content " + row["content"].hex(), found.hex()))
        elif row["another"]:
            faults.append(_fault(row["key"], "the user as sent", "another's"))
        elif _misnamed(row):
            faults.append(_fault(row["key"], AUTO + found.hex(), row["reference_id"]))
        if len(faults) == limit:
            break
    return faults


def _fault(key: str, expected: str, found: str) -> dict[str, str | None]:
    return {"view": "event", "key": key, "expected": expected, "found": found}


def _digest(row: asyncpg.Record) -> bytes:
    user_status, metadata, description = row["user_status"], row["metadata"], row["description"]
    salt = row["salt"]
    if user_status == UserStatus.EXPIRE.text:
        salt = salt_of_expiry(salt, free_text=(metadata, description) != (None, None))
    canonical = None if metadata is None else _canonical(metadata)
    return content_digest(content(user_status, row["expires_at"], canonical, description), salt)


def _canonical(metadata: str) -> bytes:
    return canonical_json(
        json.loads(metadata, parse_float=canonical_real, parse_int=canonical_real)
    )


def _misnamed(row: asyncpg.Record) -> bool:
    """Whether a made-up reference is another than its content gives."""
    reference_id: str = row["reference_id"]
    made_up = row["time_given"] and reference_id.startswith(AUTO)
    return made_up and reference_id != AUTO + row["content"].hex()
