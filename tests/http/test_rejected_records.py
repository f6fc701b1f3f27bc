"""Rejected records over HTTP: groups, pages, payloads that are asked for, and a retry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from service.registry.api_keys import Scope
from tests.http.reading import appended, get, refused, walk
from tests.support.cases import cases
from tests.support.database import connected, folded, make_segments, rows, value
from tests.support.kafka import NewRecord, publish
from tests.support.lane import command_json
from tests.support.roles import service
from tests.support.waiting import holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.http.client import Api

pytestmark = pytest.mark.stack
PATH = "/networks/n/rejected"
HIDDEN = "only in the payload"


@pytest.fixture
async def whole(api: Api) -> AsyncIterator[Api]:
    """The API with ingest and projections, and refused records of networks n and m."""
    async with service(api.settings):
        await publish(
            api.settings,
            [NewRecord(user=f"late-{nth}", segment_id=9, description=HIDDEN) for nth in range(3)]
            + [NewRecord(user="u", segment_id=1, user_status="nonsense")]
            + [NewRecord(user="theirs", network_id="m", segment_id=9)],
        )
        await folded(api.settings)
        yield api


def group(api: Api, reason: str = "unknown_segment") -> dict[str, str]:
    return {"reason": reason, "topic": f"{api.settings.topic_prefix}.commands"}


async def positions(api: Api, reason: str = "unknown_segment", **more: str) -> list[str]:
    found = (await get(api, PATH, **group(api, reason), **more))["records"]
    return [row["position"] for row in found]


async def test_records_are_counted_by_reason_and_topic(whole: Api) -> None:
    found = (await get(whole, f"{PATH}/groups"))["groups"]
    assert {(row["reason"], row["records"], row["new_records"]) for row in found} == {
        ("unknown_segment", 3, 3),
        ("invalid_field", 1, 1),
    }
    assert (await get(whole, f"{PATH}/groups", since="2100-01-01"))["groups"] == []
    table = await whole.call("GET", f"{PATH}/groups", headers={"Accept": "text/csv"})
    assert table.text.splitlines()[0] == "reason,topic,records,new_records,first_at,last_at"


async def test_a_group_is_paged_and_no_row_has_a_payload(whole: Api) -> None:
    found = await walk(whole, PATH, "records", limit="1", **group(whole))
    assert len({row["position"] for row in found}) == 3
    assert all(row["detail"] and row["has_payload"] for row in found)
    assert HIDDEN not in str(found)
    assert not {"payload_text", "user_id"} & set(found[0])


async def test_a_payload_is_shown_when_asked_for_and_that_is_recorded(whole: Api) -> None:
    (first, *_) = await positions(whole)
    plain = (await get(whole, f"{PATH}/{first}"))["record"]
    assert (plain["reason"], "payload_text" in plain) == ("unknown_segment", False)
    shown = (await get(whole, f"{PATH}/{first}", payload="true"))["record"]
    assert HIDDEN in shown["payload_text"]
    assert shown["user_id"].startswith("late-")

    async def is_recorded() -> bool:
        found = await rows(
            whole.settings,
            "SELECT user_id FROM reporting.access_event WHERE route LIKE '%rejected/{position}'",
        )
        return {row["user_id"] for row in found} == {None, shown["user_id"]}

    await holds(is_recorded)


async def test_a_record_is_retried_and_what_became_of_it_is_told(whole: Api) -> None:
    (first, *_) = await positions(whole)
    await make_segments(whole.settings, [("n", 9)])
    answer = await whole.call("POST", f"{PATH}/{first}/retry")
    assert answer.status_code == 201, answer.text
    new = answer.json()
    assert new["retry_of"] == first
    await folded(whole.settings)
    told = (await get(whole, f"{PATH}/{first}"))["record"]
    assert (told["outcome"], told["retried_by"]) == ("applied", "test key")
    assert told["retried_as"].rsplit(":", 1)[1] == str(new["kafka_offset"])
    assert await positions(whole, retried="true") == [first]
    assert len(await positions(whole, retried="false")) == 2
    source = "SELECT source || ' ' || actor FROM reporting.event"
    assert await value(whole.settings, source) == "retry test key"


async def test_after_an_adoption_a_position_without_an_epoch_is_in_the_open_lane(api: Api) -> None:
    async with appended(api.settings, command_json(segment_id=9)) as (lane,):
        short = f"{PATH}/{lane.lane.topic}:0:0"
        whole = f"{lane.lane.topic}:0:0:0"
        assert (await get(api, short))["record"]["position"] == whole
        async with connected(api.settings) as connection:
            await connection.execute("UPDATE segments.lane SET closed = true")
            await connection.execute(
                "INSERT INTO segments.lane (topic, partition, epoch, first_offset, next_offset)"
                f" VALUES ('{lane.lane.topic}', 0, 1, 0, 0)"
            )
        assert await refused(api, short) == (404, "not_found", [])
        assert (await api.call("POST", f"{short}/retry")).status_code == 404
        assert (await get(api, f"{PATH}/{whole}"))["record"]["position"] == whole


async def test_what_the_topic_may_not_say_is_retried_by_operators_alone(whole: Api) -> None:
    (broken,) = await positions(whole, "invalid_field")
    refusal = await whole.call("POST", f"{PATH}/{broken}/retry", Scope.PUBLISH)
    assert (refusal.status_code, "scope operate" in refusal.json()["detail"]) == (403, True)
    allowed = await whole.call("POST", f"{PATH}/{broken}/retry", Scope.PUBLISH, Scope.OPERATE)
    assert allowed.status_code == 201
    assert await value(whole.settings, "SELECT count(*) FROM segments.retry") == 1


async def test_reading_takes_scope_report_and_a_retry_scope_publish(whole: Api) -> None:
    (first, *_) = await positions(whole)
    for path in (f"{PATH}/groups", f"{PATH}/{first}"):
        assert (await whole.call("GET", path, *set(Scope) - {Scope.REPORT})).status_code == 403
        assert (await whole.call("GET", path, Scope.REPORT)).status_code == 200
        assert (await whole.client.get(path)).status_code == 401
    scopes = set(Scope) - {Scope.PUBLISH}
    assert (await whole.call("POST", f"{PATH}/{first}/retry", *scopes)).status_code == 403


async def test_a_network_learns_nothing_of_the_records_of_another(whole: Api) -> None:
    mine = [*await positions(whole), *await positions(whole, "invalid_field")]
    theirs = await whole.call("GET", "/networks/m/rejected", network="m", params=group(whole))
    (position,) = [row["position"] for row in theirs.json()["records"]]
    assert position not in mine
    assert await refused(whole, f"{PATH}/{position}") == (404, "not_found", [])
    assert (await whole.call("POST", f"{PATH}/{position}/retry")).status_code == 404
    for path in ("", "/groups", f"/{position}"):
        answer = await whole.call("GET", PATH + path, network="m", params=group(whole))
        assert answer.status_code == 403
    assert await value(whole.settings, "SELECT count(*) FROM segments.retry") == 0


@cases(
    ("query", "pointers"),
    [
        ({}, ["/reason", "/topic"]),
        ({"reason": "bad", "topic": "t"}, ["/reason"]),
        ({"reason": "conflict", "topic": "t\n"}, ["/topic"]),
        ({"reason": "conflict", "topic": "t", "retried": "perhaps"}, ["/retried"]),
    ],
)
async def test_a_group_that_cannot_be_is_refused(
    api: Api, query: dict[str, Any], pointers: list[str]
) -> None:
    assert await refused(api, PATH, **query) == (400, "invalid_field", pointers)
    assert (await refused(api, f"{PATH}/nonsense"))[2] == ["/position"]
