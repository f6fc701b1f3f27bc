"""What the tests of expiries share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from projections.fold.worker import project
from projections.outbox.expiries import publish_expiries
from schemas.headers import REQUEST_ID
from schemas.topics import Topics
from service.ingest.role import ingest
from service.kafka.publish import Sender, signed_headers
from tests.support.database import folded, rows, until
from tests.support.kafka import Said, publish, read_topic

if TYPE_CHECKING:
    from service.runtime.settings import Settings

NOW = int(time.time())
STANDING = "SELECT count(*) FROM reporting.override"
ROLES = (ingest, project, publish_expiries)


async def expiries(settings: Settings) -> list[Any]:
    """Read the records on the commands topic that say expire."""
    records = await read_topic(settings, Topics(settings.topic_prefix).commands)
    return [record for record in records if b'"expire"' in (record.value or b"")]


def said_again(settings: Settings, record: Any) -> Said:
    """Say an expiry as another of our processes does that knows nothing of the first: the same, signed by itself."""
    sender = Sender("expiry", None, dict(record.headers)[REQUEST_ID].decode())
    headers = signed_headers(settings, record.key, record.value, sender)
    return Said(record.value, key=record.key, headers=headers, lane=record.partition)


async def outcomes(settings: Settings) -> list[tuple[str, str]]:
    """Tell what became of each expire: user and outcome."""
    found = await rows(
        settings,
        "SELECT user_id, outcome FROM reporting.result WHERE user_status = 'expire' ORDER BY 1, 2",
    )
    return [(row["user_id"], row["outcome"]) for row in found]


async def swept(settings: Settings, user: str = "witness") -> None:
    """Wait until an override that was due later than all others has lapsed."""
    await publish(settings, [Said(user=user, status_change_timestamp=NOW - 60, expires_at=NOW - 1)])
    await until(
        settings,
        f"SELECT count(*) FROM reporting.result WHERE user_id = '{user}' AND user_status = 'expire'",
    )
    await folded(settings)
