"""Shared by the tests of expiries."""

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
from tests.support.kafka import NewRecord, publish, read_topic

if TYPE_CHECKING:
    from service.runtime.settings import Settings

NOW = int(time.time())
STANDING = "SELECT count(*) FROM reporting.override"
ROLES = (ingest, project, publish_expiries)


async def expiries(settings: Settings) -> list[Any]:
    """Read the expire records on the commands topic."""
    records = await read_topic(settings, Topics(settings.topic_prefix).commands)
    return [record for record in records if b'"expire"' in (record.value or b"")]


def resigned_expiry(settings: Settings, record: Any) -> NewRecord:
    """Build the same expiry as another process of the service would, with its own signature."""
    sender = Sender("expiry", None, dict(record.headers)[REQUEST_ID].decode())
    headers = signed_headers(settings, record.key, record.value, sender)
    return NewRecord(record.value, key=record.key, headers=headers, lane=record.partition)


async def outcomes(settings: Settings) -> list[tuple[str, str]]:
    """Return user and outcome of each expire."""
    results = await rows(
        settings,
        "SELECT user_id, outcome FROM reporting.result WHERE user_status = 'expire' ORDER BY 1, 2",
    )
    return [(row["user_id"], row["outcome"]) for row in results]


async def swept(settings: Settings, user: str = "witness") -> None:
    """Wait until an override that was due after all others has expired."""
    await publish(
        settings, [NewRecord(user=user, status_change_timestamp=NOW - 60, expires_at=NOW - 1)]
    )
    await until(
        settings,
        f"SELECT count(*) FROM reporting.result WHERE user_id = '{user}' AND user_status = 'expire'",
    )
    await folded(settings)
