"""After an erasure `<prefix>.memberships` ends without the identifier, and with the states under the new name."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced

from projections.fold.worker import project
from projections.outbox.memberships import publish_memberships
from schemas.topics import Topics
from service.ingest.role import ingest
from service.kafka.clients import connection_options
from tests.outbox.test_memberships import PUBLISHED
from tests.support.database import erase, folded, make_segments, rows, sound, until, value
from tests.support.kafka import NewRecord, publish, read_topic
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
NOW = int(time.time()) - 100
TOMBSTONES_PUBLISHED = "SELECT erasure_id >= {} FROM projections.tombstone_outbox"


async def last_words(settings: Settings) -> dict[str, Any]:
    """Tell what a compacted topic would keep: the last value of each key, None for a tombstone."""
    last: dict[str, Any] = {}
    places: dict[str, int] = {}
    for record in await read_topic(settings, Topics(settings.topic_prefix).memberships):
        key = record.key.decode()
        assert places.setdefault(key, record.partition) == record.partition
        last[key] = record.value and json.loads(record.value)["is_member"]
    return last


async def test_a_transaction_that_a_leader_left_open_is_aborted_and_its_keys_get_tombstones_too(
    settings: Settings,
) -> None:
    """Consumers with read_uncommitted see its records too."""
    await make_segments(settings)
    name = await value(settings, "SELECT segments.installation_name()")
    topics = Topics(settings.topic_prefix, name)
    unfinished = AIOKafkaProducer(
        **connection_options(settings),
        transactional_id=topics.transactional_id,
        linger_ms=0,
        transaction_timeout_ms=600_000,
    )
    await unfinished.start()
    await unfinished.begin_transaction()
    await unfinished.send_and_wait(topics.memberships, b'{"is_member": true}', b"n:1:eve")
    async with service(settings, ingest, project, publish_memberships):
        await publish(settings, [NewRecord(user="ann"), NewRecord(user="bob")])
        await folded(settings)
        await until(settings, PUBLISHED)
        number = await erase(settings, "ann")
        await until(settings, TOMBSTONES_PUBLISHED.format(number))
    assert await last_words(settings) == {
        "n:1:eve": None, "n:1:ann": None, f"n:1:erased:{number}": True, "n:1:bob": True,
    }  # fmt: skip
    with pytest.raises(ProducerFenced):
        await unfinished.commit_transaction()
    await unfinished.stop()


async def test_tombstones_bury_the_identifier_and_the_states_go_on_under_the_new_name(
    settings: Settings,
) -> None:
    await make_segments(settings, [("n", 1), ("n", 2), ("m", 1)])
    async with service(settings, ingest, project, publish_memberships, publish_memberships):
        await publish(
            settings,
            [
                NewRecord(user=user, network_id=network, segment_id=segment, user_status=status)
                for network, segment, user, status in (
                    ("n", 1, "a:nn", "add"), ("n", 2, "a:nn", "block"), ("m", 1, "a:nn", "add"), ("n", 1, "bob", "add"),
                )
            ],
        )  # fmt: skip
        await folded(settings)
        await until(settings, PUBLISHED)
        number = await erase(settings, "a:nn")
        await until(settings, TOMBSTONES_PUBLISHED.format(number))
        assert await last_words(settings) == {
            "n:1:a:nn": None, "n:2:a:nn": None, "m:1:a:nn": True, "n:1:bob": True,
            f"n:1:erased:{number}": True, f"n:2:erased:{number}": False,
        }  # fmt: skip
        # Whoever has that identifier afterwards is told of in its own segments only.
        await publish(settings, [NewRecord(user="a:nn", segment_id=1, status_change_timestamp=NOW)])
        await folded(settings)
        await until(settings, PUBLISHED)
        again = await erase(settings, "bob")
        await until(settings, TOMBSTONES_PUBLISHED.format(again))
    last = await last_words(settings)
    assert (last["n:1:a:nn"], last["n:2:a:nn"], last["n:1:bob"]) == (True, None, None)
    standing = {key: value for key, value in last.items() if value is not None}
    states = await rows(
        settings,
        "SELECT concat_ws(':', network_id, segment_id, user_id), is_member FROM reporting.user_segment",
    )
    assert standing == {next(iter(row.values())): row["is_member"] for row in states}
    assert again == number + 1
    await sound(settings)
