"""What became of commands that Kafka has and the log does not, by position; and of those that nobody can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from service.kafka.clients import producing, set_up_topics
from service.registry import command_topics
from tests.http.client import api_running, command_body
from tests.http.reading import AT, appended, get, refused
from tests.http.test_results import RESULTS, UNKNOWN, view
from tests.support.database import connected, folded
from tests.support.lane import command_json
from tests.support.roles import service
from tests.support.waiting import taking

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack


async def test_acknowledged_and_not_in_the_log_it_is_queued_to_its_own_network(api: Api) -> None:
    given = (
        await api.post(command_body(user="Jo@X.com", reference_id="r", status_change_timestamp=AT))
    ).json()
    blank = (await api.post(command_body(user="blank"))).json()
    position = f"{given['topic']}:{given['partition']}:{given['offset']}"
    (row,) = (await get(api, RESULTS, position=position))["results"]
    expected = {"network_id": "n", "reference_id": "r", "segment_id": 1, "user_id": "jo@x.com", "user_status": "add",
                "outcome": "queued", "reason": None, "status_change_timestamp": "2023-11-14T22:13:20Z",
                "kafka_epoch": 0, "kafka_offset": given["offset"], "event_id": None}  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    for parameters in (
        {"position": f"{blank['topic']}:{blank['partition']}:0:{blank['offset']}"},
        {"reference_id": blank["reference_id"]},
    ):
        (row,) = (await get(api, RESULTS, **parameters))["results"]
        assert (row["outcome"], row["reference_id"]) == ("queued", blank["reference_id"])
    key = await api.key("m")
    alien = await api.client.get(
        "/networks/m/results",
        params={"position": position},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert (alien.status_code, alien.json()["reason"]) == UNKNOWN[:2]
    assert await refused(api, RESULTS, position=position + "9") == UNKNOWN
    async with service(api.settings):
        await folded(api.settings)
    for sent in (given, blank):
        wanted = await view(api.settings, "reference_id = $1", sent["reference_id"])
        assert [row["outcome"] for row in wanted] == ["applied"]
        assert (await get(api, RESULTS, reference_id=sent["reference_id"]))["results"] == wanted
    assert (await get(api, RESULTS, position=position))["results"][0]["outcome"] == "applied"


async def test_what_kafka_holds_between_records_and_what_nobody_can_read_is_unknown(
    api: Api,
) -> None:
    topic = f"{api.settings.topic_prefix}.commands"
    async with producing(api.settings) as producer:
        sent = [await producer.send_and_wait(topic, value, b"key", partition=0)
                for value in (b"not JSON", None, command_json(segment_id="x"),
                              command_json(network_id="m"))]  # fmt: skip
    outcomes = {}
    for one in sent:
        response = await api.call("GET", RESULTS, params={"position": f"{topic}:0:{one.offset}"})
        outcomes[one.offset] = response.status_code
    assert outcomes == {0: 404, 1: 404, 2: 200, 3: 404}
    async with service(api.settings):
        await folded(api.settings)
    (row,) = (await get(api, RESULTS, position=f"{topic}:0:2"))["results"]
    assert (row["outcome"], row["reason"]) == ("rejected", "invalid_field")


UNREADABLE = {
    b"not JSON": "not_json",
    b"x" * 70_000: "too_large",
    command_json(network_id="n n"): "invalid_field",
    command_json(network_id=...)[:-1] + b', "netwrk_id": "n"}': "invalid_field",
}


async def test_who_published_with_its_own_key_learns_the_fate_of_what_names_no_readable_network(
    api: Api,
) -> None:
    """On its way and in the log; nobody else does, and what is told them is true."""
    topic = f"{api.settings.topic_prefix}.commands"
    other = f"{api.settings.topic_prefix}.other"
    async with connected(api.settings) as connection:
        await command_topics.allow(connection, api.settings, other, networks=["m"])
    await set_up_topics(api.settings, [other])
    async with producing(api.settings) as producer:
        sent = [
            await producer.send_and_wait(to, value, key, partition=0)
            for to in (topic, other)
            for value in UNREADABLE
            for key in (b"n:u", b"nn:u", b"n", None)
        ]

    async def told(network: str) -> dict[tuple[str, int], dict[str, Any]]:
        found = {}
        for one in sent:
            params = {"position": f"{one.topic}:0:{one.offset}"}
            response = await api.call(
                "GET", f"/networks/{network}/results", network=network, params=params
            )
            if response.status_code == 200:
                (found[one.topic, one.offset],) = response.json()["results"]
                continue
            assert response.status_code == 404
            assert "in this network" in response.json()["detail"]
            assert "names no readable network" in response.json()["detail"]
        return found

    own = [(topic, 4 * n) for n in range(len(UNREADABLE))]
    waiting = await told("n")
    assert list(waiting) == own
    assert {row["outcome"] for row in waiting.values()} == {"queued"}
    assert await told("m") == {}
    async with service(api.settings):
        await folded(api.settings)
    logged = await told("n")
    assert list(logged) == own
    assert [row["reason"] for row in logged.values()] == list(UNREADABLE.values())
    assert all(row["outcome"] == "rejected" and row["detail"] for row in logged.values())
    assert await told("m") == {}


async def test_with_the_broker_away_what_the_log_has_is_told_and_the_rest_is_503_at_once(
    ready: Settings,
) -> None:
    away = ready.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    async with appended(ready, command_json()) as (lane,), api_running(away, wait=False) as api:
        topic = lane.lane.topic
        with taking() as usual:
            assert len((await get(api, RESULTS, position=f"{topic}:0:0"))["results"]) == 1
        with taking() as away_it_takes:
            response = await api.call("GET", RESULTS, params={"position": f"{topic}:0:1"})
        assert (
            away_it_takes.seconds < 20 + 10 * usual.seconds
        )  # 1.5 s of ours; a request may take 40 s
        assert (response.status_code, response.json()["reason"]) == (503, "broker_away")
        assert "retry-after" in response.headers
