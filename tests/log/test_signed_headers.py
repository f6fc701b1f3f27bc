"""Who said it: source, actor and request id are accepted as signed, and only then; expire is the service's own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from schemas.headers import make_nonce, sign
from tests.support.database import rows, value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack
NOW = int(time.time()) - 3600
Spoken = tuple[bytes, list[tuple[str, bytes | None]], bytes | None]


def signed(
    lane: LogLane,
    content: bytes,
    *,
    source: str = "http",
    actor: str | None = "ann",
    request_id: str | None = "q1",
    key: bytes | None = b"k",
    at: float | None = None,
    topic: str | None = None,
    secret: bytes | None = None,
    more: dict[str, str] | None = None,
) -> Spoken:
    secret = secret or lane.settings.signing_secret
    assert secret is not None
    nonce = make_nonce(time.time() if at is None else at)
    given = {
        "segments-nonce": nonce,
        "segments-source": source,
        "segments-actor": actor,
        "segments-request-id": request_id,
    } | (more or {})
    headers: list[tuple[str, bytes | None]] = [
        (name, text.encode()) for name, text in given.items() if text is not None
    ]
    signature = sign(secret, topic or lane.lane.topic, key, content, given)
    return content, [*headers, ("segments-signature", signature)], key


def changed(spoken: Spoken, name: str, content: bytes | None) -> Spoken:
    value, headers, key = spoken
    return value, [(n, content if n == name else c) for n, c in headers], key


async def told(lane: LogLane) -> list[tuple[Any, ...]]:
    return [
        tuple(row.values())
        for row in await rows(
            lane.settings, "SELECT source, actor FROM reporting.event ORDER BY kafka_offset"
        )
    ]


async def test_what_is_signed_is_accepted(lane: LogLane) -> None:
    await lane.append(
        signed(lane, command_json()),
        signed(lane, command_json(), source="import", actor=None, request_id=None, key=None),
        signed(lane, command_json(), actor="Zoë"),
    )
    assert await told(lane) == [("http", "ann"), ("import", None), ("http", "Zoë")]
    assert await value(
        lane.settings, "SELECT array_agg(request_id ORDER BY kafka_offset) FROM segments.event"
    ) == ["q1", None, "q1"]


async def test_what_is_not_signed_or_not_as_signed_is_not_accepted(lane: LogLane) -> None:
    good = signed(lane, command_json())
    unsigned = (good[0], good[1][:-1], good[2])
    forged = [
        unsigned,
        changed(good, "segments-source", b"dashboard"),
        changed(good, "segments-actor", b"bob"),
        changed(good, "segments-actor", None),
        changed(good, "segments-request-id", b"q2"),
        changed(good, "segments-signature", b"0" * 64),
        changed(good, "segments-signature", b""),
        changed(good, "segments-signature", b"\xff"),
        changed(good, "segments-signature", None),
        changed(good, "segments-nonce", make_nonce(time.time()).encode()),
        changed(good, "segments-nonce", None),
        (good[0], [*good[1], ("idempotency-key", b"i")], good[2]),
        (good[0], [*good[1], ("segments-origin", b"t:0:0:0")], good[2]),
        (command_json(user_status="block"), good[1], good[2]),
        (good[0], good[1], b"other key"),
        (good[0], good[1], None),
    ]
    assert await lane.append(*forged) == ["event"] * len(forged)
    assert await told(lane) == [("kafka", None)] * len(forged)


async def test_an_expire_is_accepted_only_signed_and_names_an_override_that_lapses_then(
    lane: LogLane,
) -> None:
    """Hazard 20: also for an archived segment."""
    due = NOW + 60
    await lane.append(
        command_json(status_change_timestamp=NOW, expires_at=due),
        command_json(
            status_change_timestamp=NOW, expires_at=due, segment_id=2, user_status="block"
        ),
    )
    ids = await rows(
        lane.settings, "SELECT segment_id, event_id FROM reporting.event ORDER BY kafka_offset"
    )
    first, second = (str(row["event_id"]) for row in ids)

    def expire(event_id: str, **fields: Any) -> bytes:
        return command_json(
            **{
                "user_status": "expire",
                "status_change_timestamp": due,
                "reference_id": f"expire:{event_id}",
            }
            | fields
        )

    def service(content: bytes) -> Spoken:
        return signed(lane, content, source="expiry", actor=None, request_id=None)

    assert (
        await lane.append(
            (expire(first), [("segments-source", b"expiry")]),
            signed(lane, expire(first), source="http"),
            changed(service(expire(first)), "segments-signature", b"0" * 64),
            service(expire(second)),
            service(expire(first, status_change_timestamp=due + 1)),
            service(expire(first, user="somebody else")),
            service(expire("00000000-0000-0000-0000-000000000000")),
            service(expire("'; nonsense")),
            service(expire(first, status_change_timestamp=...)),
            service(expire(first, reference_id="r")),
            service(expire(first, expires_at=due + 5)),
        )
        == ["invalid_field"] * 11
    )
    from service.registry import segments as registry  # noqa: PLC0415 - used once
    from tests.support.database import connected  # noqa: PLC0415

    async with connected(lane.settings) as connection:
        await registry.set_archived(connection, network_id="n", segment_id=2, archived=True)
    assert await lane.append(
        service(expire(first)),
        service(expire(second, segment_id=2)),
        service(expire(first)),
        service(expire(first, segment_id=77)),
    ) == ["event", "event", "duplicate", "unknown_segment"]
    assert await told(lane) == [("kafka", None)] * 2 + [("expiry", None)] * 2
