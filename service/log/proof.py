"""Whether events still say what their digests say: worked out again from what stands in each row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from schemas.command.canonical import canonical_json, canonical_real, content
from schemas.command.rules import UserStatus
from service.log.expire_events import salt_of_expiry
from service.log.identity import AUTO, content_digest

if TYPE_CHECKING:
    import asyncpg

PREFETCH = 2000
# Who is erased has no salt any more. What was said of them before is blank and in `blanked`; a later expiry's stands.
_SAID = """
SELECT concat_ws('-', l.topic, l.partition, l.epoch, e.kafka_offset) AS key, p.salt, e.content, e.digest,
    segments.event_digest(
        e, CASE WHEN p.erased > 0 AND e.blanked IS NOT NULL THEN e.blanked ELSE segments.personal_digest(
            p.salt, p.network_id, p.user_id, e.user_sent, e.description, e.metadata::text
        ) END,
        s.segment_id, l.topic, l.partition, l.epoch
    ) AS of_row,
    e.blanked IS NOT NULL AS blanked, p.erased > 0 AS erased,
    (e.user_sent, e.description, e.metadata::text) IS NULL AS blank,
    ('{add,block,reset,enter,leave,expire}'::text[])[e.user_status] AS user_status,
    extract(epoch FROM e.expires_at)::bigint AS expires_at, e.metadata::text AS metadata, e.description,
    e.reference_id, e.discriminator = '' AS time_given,
    e.user_sent IS NOT NULL AND reporting.normalise_user(e.user_sent) <> p.user_id AS another
FROM segments.event AS e
INNER JOIN segments.person AS p ON e.person_id = p.person_id
INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
INNER JOIN segments.segment AS s ON e.segment_key = s.segment_key
"""
_ERASED = """
SELECT count(*) FROM segments.event AS e INNER JOIN segments.person AS p ON e.person_id = p.person_id WHERE p.erased > 0
"""


async def altered_events(
    connection: asyncpg.Connection[Any], limit: int = 100
) -> list[dict[str, str | None]]:
    """Tell the events of which a column is not what was accepted.

    In the connection's transaction; memory is bounded. At most `limit`, with view, key (position), expected and found:
    of the content, the user as sent or the reference where it is that, else of the whole row. Of erased people's
    events all is compared that an erasure leaves.
    """
    faults: list[dict[str, str | None]] = []
    async for row in connection.cursor(_SAID, prefetch=PREFETCH):
        differs = _difference(row)
        if differs is not None:
            expected, found = differs
            faults.append(
                {"view": "event", "key": row["key"], "expected": expected, "found": found}
            )
        if len(faults) == limit:
            break
    return faults


async def count_erased(connection: asyncpg.Connection[Any]) -> int:
    """Count the events of erased people: what they said, and who sent it how, can't be compared any more."""
    counted: int = await connection.fetchval(_ERASED)
    return counted


def _difference(row: asyncpg.Record) -> tuple[str, str] | None:
    """Give what was expected of a row and what was found, where that differs."""
    erased, blanked = row["erased"], row["blanked"]
    if blanked and not (erased and row["blank"]):
        return (
            "free text blanked" if erased else "nobody erased",
            "free text" if erased else "blanked",
        )
    found = row["content"] if blanked else _digest(row)
    if found != row["content"]:
        return "content " + row["content"].hex(), found.hex()
    if row["another"] and not erased:
        return "the user as sent", "another's"
    if _misnamed(row):
        return AUTO + found.hex(), row["reference_id"]
    if row["of_row"] != row["digest"]:
        return f"all columns' digest {row['digest'].hex()}", row["of_row"].hex()
    return None


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
