"""What became of commands, asked by reference before the log has them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer

from projections.http import queued_search
from service.kafka.clients import connection_options, producing
from tests.http.client import api_running, command_body
from tests.http.reading import AT, appended, get, refused
from tests.http.test_results import RESULTS, UNKNOWN
from tests.support.database import connected, folded
from tests.support.lane import command_json
from tests.support.roles import service
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack
LIMIT = queued_search.SEARCH_SECONDS


@pytest.fixture(autouse=True)
def _at_leisure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that a busy machine makes slow is not cut short."""
    monkeypatch.setattr(queued_search, "SEARCH_SECONDS", PATIENCE)


async def publish(settings: Settings, values: Sequence[bytes | None], partition: int = 0) -> None:
    async with producing(settings) as producer:
        sent = [
            await producer.send(
                f"{settings.topic_prefix}.commands", value, b"k", partition=partition
            )
            for value in values
        ]
        await asyncio.gather(*sent)


async def places(api: Api, reference_id: str, **more: Any) -> list[tuple[int, int]]:
    """Give (partition, offset) of the results with a reference, all queued."""
    found = await get(api, RESULTS, reference_id=reference_id, **more)
    assert {row["outcome"] for row in found["results"]} == {"queued"}
    assert found["next"] is None
    return [(row["kafka_partition"], row["kafka_offset"]) for row in found["results"]]


async def test_a_reference_on_its_way_is_queued_as_its_position_is(api: Api) -> None:
    given = (
        await api.post(
            command_body(user="Jo@X.com", reference_id="r/é", status_change_timestamp=AT)
        )
    ).json()
    lifted = (
        await api.post(command_body(user="b", metadata={"reference_id": 'a "quote"', "n": 1}))
    ).json()
    for sent, reference_id in ((given, "r/é"), (lifted, 'a "quote"')):
        position = f"{sent['topic']}:{sent['partition']}:{sent['offset']}"
        by_reference = await get(api, RESULTS, reference_id=reference_id)
        assert by_reference["results"][0]["outcome"] == "queued"
        assert by_reference == await get(api, RESULTS, position=position)
    for unknown in ("r", "R/é", "quote", "add"):
        assert await refused(api, RESULTS, reference_id=unknown) == UNKNOWN
    async with service(api.settings):
        await folded(api.settings)
    (row,) = (await get(api, RESULTS, reference_id="r/é"))["results"]
    assert (row["outcome"], row["kafka_offset"]) == ("applied", given["offset"])


async def test_another_network_learns_nothing_of_what_is_on_its_way(api: Api) -> None:
    await api.post(command_body(reference_id="r"))
    alien = await api.call("GET", "/networks/m/results", network="m", params={"reference_id": "r"})
    assert (alien.status_code, alien.json()["reason"]) == UNKNOWN[:2]


async def test_a_campaign_on_its_way_is_found_in_every_lane_whatever_lies_between(api: Api) -> None:
    campaign = command_json(reference_id="campaign")
    noise = [
        b"not JSON campaign",
        None,
        command_json(reference_id="campaign", network_id="m"),
        command_json(),
    ]
    for partition in range(3):
        await publish(api.settings, [*noise, campaign, *noise, campaign], partition)
    wanted = [(partition, offset) for partition in range(3) for offset in (4, 9)]
    assert await places(api, "campaign") == wanted
    assert await places(api, "campaign", limit=4) == wanted[:4]


async def test_what_the_log_has_is_not_looked_for_again_and_what_it_refused_is_known(
    api: Api,
) -> None:
    async with appended(api.settings, command_json(reference_id="old")) as (lane,):
        topic, partition = lane.lane.topic, lane.lane.partition
        assert topic == f"{api.settings.topic_prefix}.commands"
        # What Kafka holds below the log's next offset is in the log, with another content here.
        await publish(
            api.settings,
            [command_json(reference_id="below"), command_json(reference_id="above")],
            partition,
        )
        assert await refused(api, RESULTS, reference_id="below") == UNKNOWN
        assert await places(api, "above") == [(partition, 1)]
        async with connected(api.settings) as connection:
            await connection.execute("UPDATE segments.lane SET closed = true")
            await connection.execute(
                "INSERT INTO segments.lane (topic, partition, epoch, first_offset, next_offset)"
                f" VALUES ('{topic}', {partition}, 1, 0, 0)"
            )
        (row,) = (await get(api, RESULTS, reference_id="below"))["results"]
        assert (row["outcome"], row["kafka_epoch"]) == ("queued", 1)


async def test_beyond_the_bound_the_newest_of_each_lane_are_looked_through(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queued_search, "MOST_RECORDS", 10)
    await publish(api.settings, [command_json(reference_id=f"a{n}") for n in range(30)], 0)
    await publish(api.settings, [command_json(reference_id=f"b{n}") for n in range(3)], 1)
    assert await places(api, "b0") == [(1, 0)]
    assert await places(api, "a23") == [(0, 23)]
    assert await refused(api, RESULTS, reference_id="a22") == UNKNOWN


async def test_thousands_on_their_way_are_looked_through_in_time(api: Api) -> None:
    await publish(
        api.settings, [command_json(user=f"u{n}", reference_id=f"r{n}") for n in range(1_999)]
    )
    began = (
        time.process_time()
    )  # of this process, where the API is too, whatever else the machine does
    assert await places(api, "r0") == [(0, 0)]
    assert time.process_time() - began < LIMIT
    asked = [api.call("GET", RESULTS, params={"reference_id": f"r{n}"}) for n in range(5)]
    assert [answer.status_code for answer in await asyncio.gather(*asked)] == [200] * 5


async def test_searches_are_bounded_and_told_as_unknown_beyond(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.post(command_body(reference_id="r"))
    monkeypatch.setattr(queued_search, "MOST_AT_ONCE", 0)
    assert await refused(api, RESULTS, reference_id="r") == UNKNOWN
    monkeypatch.setattr(queued_search, "MOST_AT_ONCE", 8)
    assert len(await places(api, "r")) == 1


async def test_an_aborted_tail_holds_up_no_search(api: Api) -> None:
    await publish(api.settings, [command_json(reference_id="r")])
    topic = f"{api.settings.topic_prefix}.commands"
    options = connection_options(api.settings)
    async with AIOKafkaProducer(**options, transactional_id=topic) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, command_json(reference_id="aborted"), partition=0)
        await producer.abort_transaction()
    began = time.monotonic()
    assert await places(api, "r") == [(0, 0)]
    assert await refused(api, RESULTS, reference_id="aborted") == UNKNOWN
    assert time.monotonic() - began < queued_search.SEARCH_SECONDS


async def test_with_the_broker_away_a_reference_is_unknown_at_once(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queued_search, "SEARCH_SECONDS", LIMIT)
    away = ready.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    async with appended(ready), api_running(away, wait=False) as api:
        assert await refused(api, RESULTS, reference_id="r") == UNKNOWN
