"""A signature is accepted once, on the topic and for the hour that it was made for; what is not is heard of."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from projections.operations.status import read_status
from service.log.append_many import append_many
from service.runtime.secret import SecretStr
from tests.log.test_signed_headers import Spoken, signed, told
from tests.support.database import connected, rows, value
from tests.support.lane import LogLane, command_json, log_lanes

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
NOW = int(time.time()) - 3600
SIGNED, UNSIGNED = ("http", "ann"), ("kafka", None)


async def causes(settings: Settings) -> dict[tuple[str, str], int]:
    async with connected(settings) as connection:
        status = await read_status(connection, settings)
    assert len(status["warnings"]) >= len(status["invalid_signatures"])
    return {(one["source"], one["cause"]): one["records"] for one in status["invalid_signatures"]}


async def test_a_signed_record_that_is_published_again_is_anybodys(lane: LogLane) -> None:
    """In the same batch, in a later one, and by the next process."""
    spoken = signed(lane, command_json())
    assert await lane.append(spoken, spoken, command_json()) == ["event"] * 3
    assert await lane.append(spoken) == ["event"]
    async with log_lanes(lane.settings) as (after,):
        assert await after.append(command_json(), spoken) == ["event"] * 2
    assert await told(lane) == [SIGNED] + [UNSIGNED] * 5
    assert await causes(lane.settings) == {("http", "again"): 3}


async def test_a_copy_on_another_partition_is_anybodys(registered: Settings) -> None:
    """Alone as well as in one statement with other lanes' batches."""
    async with log_lanes(registered, 2) as (one, other):
        spoken = signed(one, command_json())
        assert await one.append(spoken) == ["event"]
        assert await other.append(spoken, signed(other, command_json())) == ["event"] * 2
        spoken = signed(one, command_json())
        batches = [await lane.prepare(spoken) for lane in (one, other)]
        tried = await append_many(one.database, batches)
        assert tried == [False, False]
        for lane, batch in zip((one, other), batches, strict=True):
            await lane.store(batch)
    found = "SELECT kafka_partition, source FROM reporting.event ORDER BY 1, kafka_offset"
    assert [tuple(row.values()) for row in await rows(registered, found)] == [
        (0, "http"), (0, "http"), (1, "kafka"), (1, "http"), (1, "kafka"),
    ]  # fmt: skip


async def test_a_copy_of_what_was_refused_or_repeated_is_anybodys(lane: LogLane) -> None:
    refused = signed(lane, command_json(segment_id=77))
    timed = command_json(status_change_timestamp=NOW)
    repeated = signed(lane, timed, actor="bob")
    assert await lane.append(timed, repeated, refused) == ["event", "duplicate", "unknown_segment"]
    assert await lane.append(repeated, refused) == ["duplicate", "unknown_segment"]
    assert await causes(lane.settings) == {("http", "again"): 2}


async def test_a_copy_of_an_expiry_is_refused(lane: LogLane) -> None:
    await lane.append(command_json(status_change_timestamp=NOW, expires_at=NOW + 60))
    named = await value(lane.settings, "SELECT event_id FROM reporting.event")
    content = command_json(
        user_status="expire", status_change_timestamp=NOW + 60, reference_id=f"expire:{named}"
    )
    expiry = signed(lane, content, source="expiry", actor=None)
    assert await lane.append(expiry, expiry) == ["event", "invalid_field"]
    assert await lane.append(expiry) == ["invalid_field"]


async def test_a_signature_for_another_topic_another_hour_or_by_another_key_is_not_accepted(
    lane: LogLane,
) -> None:
    other = b"another key"
    given: list[Spoken] = [
        signed(lane, command_json(), topic="another.topic"),
        signed(lane, command_json(), at=time.time() - 3700, source="cli"),
        signed(lane, command_json(), at=time.time() + 3700, source="cli"),
        signed(lane, command_json(), secret=other, source="retry"),
    ]
    before = counted("cli")
    assert await lane.append(*given) == ["event"] * 4
    assert await told(lane) == [UNSIGNED] * 4
    assert await causes(lane.settings) == {
        ("http", "wrong"): 1,
        ("cli", "late"): 2,
        ("retry", "wrong"): 1,
    }
    assert counted("cli") == before + 2


def counted(source: str) -> float:
    return REGISTRY.get_sample_value("segments_unbelieved_total", {"source": source}) or 0


async def test_the_log_says_once_that_a_signature_is_not_accepted(lane: LogLane) -> None:
    with capture_logs() as logs:
        for _ in range(3):
            await lane.append(*[signed(lane, command_json(), secret=b"other") for _ in range(3)])
    (told_of,) = [entry for entry in logs if entry["event"] == "signature not accepted"]
    assert (told_of["source"], told_of["cause"]) == ("http", "wrong")
    assert "SEGMENTS_SIGNING_KEY_OLD" in told_of["fix"]


async def test_while_a_key_is_changed_what_either_signs_is_accepted(lane: LogLane) -> None:
    """In the order of docs/operators/signing-key.md: the new key is accepted, then it signs, then the old one goes."""
    old, new = b"the tests' signing key", b"the new key"
    steps: list[tuple[str, str | None]] = [
        (old.decode(), new.decode()),
        (new.decode(), old.decode()),
    ]
    for key, other in steps:
        lane.appender._settings = lane.settings.model_copy(  # noqa: SLF001 - as a restart would give it
            update={"signing_key": SecretStr(key), "signing_key_old": SecretStr(other or "")}
        )
        await lane.append(
            signed(lane, command_json(), secret=old), signed(lane, command_json(), secret=new)
        )
    assert await told(lane) == [SIGNED] * 4
    assert await causes(lane.settings) == {}
    lane.appender._settings = lane.settings.model_copy(  # noqa: SLF001
        update={"signing_key": SecretStr(new.decode())}
    )
    await lane.append(
        signed(lane, command_json(), secret=old), signed(lane, command_json(), secret=new)
    )
    assert (await told(lane))[4:] == [UNSIGNED, SIGNED]


async def test_signatures_are_forgotten_and_then_not_accepted_any_more(lane: LogLane) -> None:
    """What was made before the horizon is not accepted: whether it was before is not known any more."""
    spoken = signed(lane, command_json())
    await lane.append(spoken)
    past = "UPDATE segments.signature_horizon SET moved_at = now() - interval '2 minutes'"
    await rows(lane.settings, past)
    await rows(
        lane.settings, "UPDATE segments.signature SET signed_at = now() - interval '3 hours'"
    )
    assert (
        await value(lane.settings, "SELECT segments.forget_signatures()") == 0
    )  # moves the horizon
    assert await value(lane.settings, "SELECT segments.forget_signatures()") == 0  # too soon
    await rows(lane.settings, past)
    assert await value(lane.settings, "SELECT segments.forget_signatures()") == 1
    await rows(lane.settings, "UPDATE segments.signature_horizon SET forgotten_until = now()")
    assert await lane.append(spoken) == ["event"]
    assert await lane.append(spoken, command_json()) == ["event"] * 2
    assert await told(lane) == [SIGNED] + [UNSIGNED] * 3
