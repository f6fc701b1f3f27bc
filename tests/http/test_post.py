"""POST of one command: the response, and what is then in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.http.client import command_body
from tests.http.reading import AT
from tests.http.test_post_refused import published
from tests.support.database import folded, make_segments, rows, value
from tests.support.roles import service

if TYPE_CHECKING:
    from tests.http.client import Api

pytestmark = pytest.mark.stack


async def test_a_command_is_answered_from_the_brokers_acknowledgement_and_ends_in_the_log(
    api: Api,
) -> None:
    response = await api.post(
        command_body(
            user=" Jo@X.com", status_change_timestamp=AT, reference_id="r", metadata={"n": 1.10}
        )
    )
    assert response.status_code == 201
    body = response.json()
    assert body.pop("partition") in range(4)
    assert body == {
        "status": "queued", "reference_id": "r", "status_change_timestamp": AT,
        "topic": f"{api.settings.topic_prefix}.commands", "offset": 0,
    }  # fmt: skip
    async with service(api.settings):
        await folded(api.settings)
    (event,) = await rows(api.settings, "SELECT * FROM reporting.event")
    assert (event["network_id"], event["user_id"], event["user_sent"]) == (
        "n",
        "jo@x.com",
        " Jo@X.com",
    )
    assert (event["source"], event["actor"], event["reference_id"]) == ("http", "test key", "r")


async def test_a_blank_time_travels_blank_and_is_the_brokers(api: Api) -> None:
    body = (await api.post(command_body())).json()
    handle = f"{body['topic']}-{body['partition']}-{body['offset']}"
    assert body["reference_id"] == f"auto:{handle}"
    async with service(api.settings):
        await folded(api.settings)
    (event,) = await rows(api.settings, "SELECT * FROM reporting.event")
    assert event["reference_id"] == body["reference_id"]
    assert not event["time_given"]
    assert event["status_change_timestamp"].timestamp() == body["status_change_timestamp"]


async def test_with_prefer_wait_the_outcome_is_answered(api: Api) -> None:
    async with service(api.settings):
        first = await api.post(
            command_body(status_change_timestamp=AT), headers={"Prefer": "wait=200"}
        )
        again = await api.post(
            command_body(status_change_timestamp=AT), headers={"Prefer": "wait=200"}
        )
    assert (first.status_code, first.json()["outcome"]) == (200, "applied")
    assert (again.status_code, again.json()["outcome"]) == (200, "duplicate")


async def test_what_a_wait_answers_is_what_results_say_under_the_reference_that_was_answered(
    api: Api,
) -> None:
    """Also of a repeat, whose row has the reference of what it repeats, and of a refused one, whose row has none."""
    key = {"Idempotency-Key": "k"}
    async with service(api.settings):
        answered = [
            (await api.post(command, headers={"Prefer": "wait=200"} | headers)).json()
            for command, headers in (
                (command_body(), key), (command_body(), key), (command_body(user_status="block"), key),
                (command_body(user="v", status_change_timestamp=AT), {}),
            )
        ]  # fmt: skip
    assert [one["outcome"] for one in answered] == [
        "applied",
        "duplicate",
        "rejected",
        "applied",
    ]
    for one in answered:
        position = f"{one['topic']}:{one['partition']}:{one['offset']}"
        for parameters in (
            {"position": position},
            {"reference_id": f"auto:{position.replace(':', '-')}"},
        ):
            response = await api.call("GET", "/networks/n/results", params=parameters)
            if "reference_id" in parameters and one is answered[3]:
                assert response.status_code == 404  # a time was given: its reference is another
                continue
            (row,) = (
                row
                for row in response.json()["results"]
                if (row["kafka_partition"], row["kafka_offset"])
                == (one["partition"], one["offset"])
            )
            kept = {"status_change_timestamp", "reference_id"}
            assert {k: v for k, v in row.items() if k not in kept} == {
                k: v for k, v in one.items() if k in row and k not in kept
            }
            assert row["reference_id"] in (one["reference_id"], None)


async def test_without_a_projection_a_wait_ends_as_202(api: Api) -> None:
    response = await api.post(command_body(), headers={"Prefer": "wait=0"})
    assert (response.status_code, response.json()["outcome"]) == (202, "queued")


async def test_a_segment_that_was_just_created_takes_commands_at_once(api: Api) -> None:
    assert (await api.post(command_body(segment_id=7))).status_code == 404
    await make_segments(api.settings, [("n", 7)])
    assert (await api.post(command_body(segment_id=7))).status_code == 201


async def test_the_three_fields_may_stand_inside_metadata_and_numbers_keep_their_digits(
    api: Api,
) -> None:
    inside = b"""{"user": "u", "segment_id": 1, "user_status": "block", "metadata": {"reference_id": "r",
        "status_change_timestamp": 1700000000, "description": "why", "score": 1.10, "big": 12345678901234567890}}  """
    body = (await api.post(inside)).json()
    assert (body["reference_id"], body["status_change_timestamp"]) == ("r", AT)
    async with service(api.settings):
        await folded(api.settings)
    (event,) = await rows(api.settings, "SELECT * FROM reporting.event")
    assert (event["reference_id"], event["description"]) == ("r", "why")
    assert event["metadata"] == '{"big": 12345678901234567890, "score": 1.10}'


@pytest.mark.parametrize("body", [
    b'{"network_id": "n", "user": "u", "segment_id": 1, "user_status": "add"}',
    b'{"user": "u", "segment_id": 1, "user_status": "add", "network\\u005fid": "n"}',
    b'{"user": "u", "segment_id": 1, "user_status": "add", "metadata": {"network_id": "m"}}',
    b'{"user": "u", "segment_id": 1, "user_status": "add"}\n\t ',
])  # fmt: skip
async def test_a_body_may_name_its_network_or_not(api: Api, body: bytes) -> None:
    assert (await api.post(body)).status_code == 201
    async with service(api.settings):
        await folded(api.settings)
    assert [
        row["network_id"] for row in await rows(api.settings, "SELECT * FROM reporting.event")
    ] == ["n"]


async def test_the_same_idempotency_key_is_one_event_and_with_another_body_a_conflict(
    api: Api,
) -> None:
    def sent(**fields: Any) -> Any:
        return api.post(command_body(**fields), headers={"Idempotency-Key": "k 1"})

    async with service(api.settings):
        answers = [await sent(), await sent(), await sent(user_status="block")]
        await folded(api.settings)
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    found = await rows(
        api.settings,
        "SELECT outcome, reason FROM reporting.result ORDER BY received_at, kafka_offset",
    )
    assert [(row["outcome"], row["reason"]) for row in found] == [
        ("applied", None), ("duplicate", None), ("rejected", "conflict"),
    ]  # fmt: skip
    bad = await api.post(command_body(), headers={"Idempotency-Key": "x" * 256})
    assert (bad.status_code, bad.json()["reason"]) == (400, "invalid_field")


async def test_a_request_id_is_taken_or_made_and_is_what_the_record_says(api: Api) -> None:
    given = await api.post(command_body(), headers={"X-Request-Id": "req-1"})
    made = await api.post(command_body(user="v"), headers={"X-Request-Id": "not one"})
    assert given.headers["x-request-id"] == "req-1"
    assert len(made.headers["x-request-id"]) == 32
    async with service(api.settings):
        await folded(api.settings)
    ids = await value(
        api.settings, "SELECT array_agg(request_id ORDER BY person_id) FROM segments.event"
    )
    assert set(ids) == {"req-1", made.headers["x-request-id"]}


async def test_a_dry_run_says_outcome_before_and_after_and_publishes_nothing(api: Api) -> None:
    dry = "/networks/n/segments?dry_run=true"
    async with service(api.settings):
        assert (await api.post(command_body(status_change_timestamp=AT))).status_code == 201
        await folded(api.settings)
    before = await published(api)
    block = command_body(user_status="block", status_change_timestamp=AT + 1)
    response = await api.call("POST", dry, json=block)
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {"outcome", "before", "after"}
    assert body["outcome"] == "applied"
    assert (body["before"]["is_member"], body["before"]["override"]) == (True, "add")
    assert (body["after"]["is_member"], body["after"]["override"]) == (False, "block")
    again = (await api.call("POST", dry, json=command_body(status_change_timestamp=AT))).json()
    assert again["outcome"] == "duplicate"
    clash = command_body(status_change_timestamp=AT, description="other", reference_id="r")
    assert (await api.post(clash | {"description": "first"})).status_code == 201
    async with service(api.settings):
        await folded(api.settings)
    refused = (await api.call("POST", dry, json=clash)).json()
    assert (refused["outcome"], refused["reason"]) == ("rejected", "conflict")
    assert await published(api) == before + 1
