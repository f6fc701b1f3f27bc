"""What became of commands over HTTP: by reference, by position, and by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition

from schemas.command.refusal import Reason, Refusal
from service.ingest.role import ingest
from service.operations import lanes
from service.postgres.database import open_database
from service.registry import command_topics
from service.registry.api_keys import Scope
from tests.http.client import command_body
from tests.http.reading import AT, appended, get, refused, walk
from tests.http.test_members import as_json
from tests.projections.folding import commands, fold
from tests.support.database import connected, folded, rows, until
from tests.support.lane import Given, command_json
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack
RESULTS = "/networks/n/results"

UNKNOWN: tuple[int, str, list[str]] = (404, "unknown_result", [])


async def view(settings: Settings, where: str, *arguments: Any) -> list[dict[str, Any]]:
    found = await rows(
        settings,
        f"""SELECT r.*, (
            SELECT j.detail FROM reporting.rejected AS j
            WHERE j.kafka_topic = r.kafka_topic AND j.kafka_partition = r.kafka_partition
                AND j.kafka_epoch = r.kafka_epoch AND j.kafka_offset = r.kafka_offset
        ) AS detail FROM reporting.result AS r WHERE {where}"""
        " ORDER BY kafka_topic, kafka_partition, kafka_epoch, kafka_offset",
        *arguments,
    )
    return [as_json([row])[0] for row in found]


async def test_a_campaigns_results_are_the_rows_of_view_result_page_by_page(api: Api) -> None:
    batch = [
        command_json(user=f"u{n}", reference_id="campaign", status_change_timestamp=AT,
               user_status=("add", "block")[n % 2])
        for n in range(20)
    ]  # fmt: skip
    refusals = [
        command_json(user="u", reference_id="campaign", segment_id=99, status_change_timestamp=AT),
        command_json(
            user="u1", reference_id="campaign", status_change_timestamp=AT, user_status="reset"
        ),
    ]
    others = [
        command_json(reference_id="campaign", network_id="m"),
        command_json(reference_id="campaign", network_id="m", segment_id=77),
        command_json(reference_id="another"),
        *commands(seed=1, count=50),
    ]
    async with appended(api.settings, *batch, *others, *batch[:3], *refusals, lanes=2) as lanes:
        await lanes[1].append(command_json(user="late", reference_id="campaign"), *batch[3:5])
        await fold(api.settings)
        wanted = await view(api.settings, "reference_id = 'campaign' AND network_id = 'n'")
        assert len(wanted) == 28
        assert {row["outcome"] for row in wanted} >= {"applied", "duplicate", "rejected"}
        for limit in (1, 5, 28, 1000):
            assert (
                await walk(api, RESULTS, "results", reference_id="campaign", limit=limit) == wanted
            )
        cursor = (await get(api, RESULTS, reference_id="campaign", limit=5))["next"]
        other = await refused(api, RESULTS, reference_id="another", cursor=cursor)
        assert other == (400, "invalid_field", ["/cursor"])


async def test_a_position_gives_its_row_of_view_result_with_or_without_the_epoch(api: Api) -> None:
    async with appended(api.settings, *commands(seed=3, count=30), command_json(), command_json(), b"{}",
                        command_json(segment_id=9), command_json(network_id="m")) as (lane,):  # fmt: skip
        topic = lane.lane.topic
        for row in await view(api.settings, "true"):
            offset = row["kafka_offset"]
            for position in (f"{topic}:0:{offset}", f"{topic}:0:0:{offset}"):
                if row["network_id"] == "n":
                    found = await get(api, RESULTS, position=position)
                    assert (found["results"], found["next"]) == ([row], None)
                else:  # another network's, or nobody's
                    assert await refused(api, RESULTS, position=position) == UNKNOWN
        for position in (
            f"{topic}:0:1:0",
            f"{topic}:0:999",
            f"{topic}:3:0",
            f"{topic}:7:0",
            "other:0:0",
        ):
            assert await refused(api, RESULTS, position=position) == UNKNOWN


async def test_each_offset_of_a_batch_that_could_not_be_read_has_the_row_of_its_range(
    api: Api,
) -> None:
    """To the network that its key names, as at its first offset; not to others, and not beyond its end."""
    whole = Refusal(Reason.TOO_LARGE, "the batch decompresses to more than 64 MiB")
    async with appended(api.settings, command_json(user="before")) as (lane,):
        batch = Given(7, 1_700_000_000_000, b"n:u", None, (), span=7, refusal=whole)
        nobodys = Given(12, 1_700_000_000_000, None, None, (), span=5, refusal=whole)
        await lane.store(await lane.prepare_records([batch, nobodys]))
        await lane.append(command_json(user="after"))
        await fold(api.settings)
        topic = lane.lane.topic
    (row,) = await view(api.settings, "kafka_offset = 1")
    assert (row["outcome"], row["reason"]) == ("rejected", "too_large")
    for offset in range(1, 8):
        for position in (f"{topic}:0:{offset}", f"{topic}:0:0:{offset}"):
            assert (await get(api, RESULTS, position=position))["results"] == [row]
            elsewhere = await api.call(
                "GET", "/networks/m/results", network="m", params={"position": position}
            )
            assert elsewhere.status_code == 404
    for offset in range(8, 13):
        assert await refused(api, RESULTS, position=f"{topic}:0:{offset}") == UNKNOWN
    (after,) = (await get(api, RESULTS, position=f"{topic}:0:13"))["results"]
    assert after["user_id"] == "after"


async def test_in_the_log_and_not_projected_it_is_queued(api: Api) -> None:
    async with appended(api.settings) as (lane,):
        await lane.append(command_json(reference_id="r"))
        for parameters in ({"reference_id": "r"}, {"position": f"{lane.lane.topic}:0:0"}):
            (row,) = (await get(api, RESULTS, **parameters))["results"]
            assert (row["outcome"], row["changed_membership"]) == ("queued", None)
        await fold(api.settings)
        (row,) = (await get(api, RESULTS, reference_id="r"))["results"]
        assert row["outcome"] == "applied"


async def test_what_is_wrong_with_a_refused_command_is_told_to_whoever_may_ask_for_its_result(
    api: Api,
) -> None:
    first = command_body(user="u", reference_id="r", status_change_timestamp=AT)
    other = first | {"description": "another"}
    async with service(api.settings):
        assert (await api.post(first, headers={"Prefer": "wait=200"})).json()[
            "outcome"
        ] == "applied"
        waited = (await api.post(other, headers={"Prefer": "wait=200"})).json()
        assert (waited["outcome"], waited["reason"]) == ("rejected", "conflict")
        sent = (await api.post(other)).json()
        await folded(api.settings)
    (row,) = await rows(api.settings, "SELECT DISTINCT detail FROM reporting.rejected")
    assert row["detail"]
    position = f"{sent['topic']}:{sent['partition']}:{sent['offset']}"
    for scope in (Scope.PUBLISH, Scope.REPORT):
        for parameters in ({"position": position}, {"reference_id": "r"}):
            found = (await api.call("GET", RESULTS, scope, params=parameters)).json()["results"]
            assert found[-1]["detail"] == row["detail"] == waited["detail"]
    assert [one["detail"] for one in found] == [None, row["detail"], row["detail"]]


async def test_a_position_that_an_operator_passed_by_says_so_and_not_that_it_does_not_exist(
    api: Api,
) -> None:
    settings = api.settings
    # Lanes are there, and nothing is read of them before one is adopted.
    async with service(settings, ingest):
        await until(settings, "SELECT count(*) = 4 FROM segments.lane")
    sent = [(await api.post(command_body(user=f"u{n}"))).json() for n in range(8)]
    passed, kept = [one for one in sent if one["partition"] == sent[-1]["partition"]][-2:]
    lane = TopicPartition(kept["topic"], kept["partition"])
    async with open_database(settings, lanes.ROLE, 1) as connections:
        await lanes.adopt(connections, lane, kept["offset"], "ticket 17", None, force=True)
    position = f"{lane.topic}:{lane.partition}:{passed['offset']}"
    for parameters in ({"position": position}, {"reference_id": passed["reference_id"]}):
        found = (await api.call("GET", RESULTS, params=parameters)).json()
        assert (found["status"], found["reason"]) == UNKNOWN[:2]
        assert found["detail"] == (
            "the log has no record at that position: skipped by an operator at the adoption: ticket 17"
        )
    async with connected(settings) as connection:
        await command_topics.allow(connection, settings, lane.topic, networks=["m"])
    found = (await api.call("GET", RESULTS, params={"position": position})).json()
    assert "ticket" not in found["detail"]


async def test_unknown_says_until_when_all_is_known(api: Api) -> None:
    async with service(api.settings):
        await api.post(command_body(), headers={"Prefer": "wait=200"})
        until_when = await until(api.settings, "SELECT complete_until FROM reporting.watermark")
        found = (await api.call("GET", RESULTS, params={"reference_id": "nothing"})).json()
        assert (found["status"], found["reason"]) == UNKNOWN[:2]
        assert found["complete_until"] >= until_when.isoformat().replace("+00:00", "Z")[:19]


async def test_an_earlier_epoch_keeps_its_positions_and_without_one_the_open_epoch_is_meant(
    api: Api,
) -> None:
    async with appended(api.settings, command_json(reference_id="old")) as (lane,):
        topic = lane.lane.topic
        async with connected(api.settings) as connection:
            await connection.execute("UPDATE segments.lane SET closed = true")
            await connection.execute(
                "INSERT INTO segments.lane (topic, partition, epoch, first_offset, next_offset)"
                f" VALUES ('{topic}', 0, 1, 0, 0)"
            )
        (old,) = (await get(api, RESULTS, position=f"{topic}:0:0:0"))["results"]
        assert (old["reference_id"], old["kafka_epoch"]) == ("old", 0)
        assert await refused(api, RESULTS, position=f"{topic}:0:0") == UNKNOWN
        given = [await api.post(command_body(user=f"u{n}")) for n in range(12)]
        body = next(one.json() for one in given if one.json()["partition"] == 0)
        (new,) = (await get(api, RESULTS, position=f"{topic}:0:{body['offset']}"))["results"]
        assert (new["outcome"], new["kafka_epoch"]) == ("queued", 1)


async def test_who_publishes_may_ask_and_who_reports_too(api: Api) -> None:
    for scope in (Scope.PUBLISH, Scope.REPORT):
        response = await api.call("GET", RESULTS, scope, params={"reference_id": "x"})
        assert response.status_code == 404
        assert "ratelimit-remaining" in response.headers
    assert (await api.call("GET", RESULTS, Scope.ADMIN)).status_code == 403
