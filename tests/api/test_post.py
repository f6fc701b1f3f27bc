"""POST of one command: what is answered, and what is then in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.client import said
from tests.support.database import folded, rows
from tests.support.roles import service

if TYPE_CHECKING:
    from tests.api.client import Api

pytestmark = pytest.mark.stack
AT = 1_700_000_000


async def test_a_command_is_answered_from_the_brokers_acknowledgement_and_ends_in_the_log(
    api: Api,
) -> None:
    answer = await api.post(
        said(user=" Jo@X.com", status_change_timestamp=AT, reference_id="r", metadata={"n": 1.10})
    )
    assert answer.status_code == 201
    body = answer.json()
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
    body = (await api.post(said())).json()
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
        first = await api.post(said(status_change_timestamp=AT), headers={"Prefer": "wait=10"})
        again = await api.post(said(status_change_timestamp=AT), headers={"Prefer": "wait=10"})
    assert (first.status_code, first.json()["outcome"]) == (200, "applied")
    assert (again.status_code, again.json()["outcome"]) == (200, "duplicate")


async def test_without_a_projection_a_wait_ends_as_202(api: Api) -> None:
    answer = await api.post(said(), headers={"Prefer": "wait=0"})
    assert (answer.status_code, answer.json()["outcome"]) == (202, "queued")
