"""At the same place of a topic made anew lies another command: the API never takes it for ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from service.operations import lanes
from service.postgres.database import open_database
from tests.http.client import api_running, command_body
from tests.http.reading import get
from tests.http.test_results import RESULTS
from tests.support.database import folded, value
from tests.support.roles import service
from tests.support.topics import remake_commands

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_no_command_is_answered_with_what_lay_at_its_place_in_an_earlier_topic(
    ready: Settings,
) -> None:
    async with api_running(ready) as api, service(ready):
        old = await api.post(command_body(user="a"), headers={"Prefer": "wait=200"})
        assert old.json()["status"] == "applied"
        await folded(ready)
    await remake_commands(ready)
    async with api_running(ready) as api:
        new = await api.post(
            command_body(user="a", user_status="block"), headers={"Prefer": "wait=1"}
        )
        assert (new.status_code, new.json()["outcome"]) == (202, "queued")
        place = {part: old.json()[part] for part in ("topic", "partition", "offset")}
        assert place == {part: new.json()[part] for part in place}
        # Also before any ingest has stopped the lane.
        assert await value(ready, "SELECT count(stopped_because) FROM segments.lane") == 0
        position = f"{place['topic']}:{place['partition']}:{place['offset']}"
        for parameters in ({"position": position}, {"reference_id": new.json()["reference_id"]}):
            refused = await api.call("GET", RESULTS, params=parameters)
            assert (refused.status_code, refused.json()["reason"]) == (503, "stopped")
        # The earlier epoch's, by its name, is what it is.
        (row,) = (await get(api, RESULTS, position=position.replace(
            f":{place['offset']}", f":0:{place['offset']}")))["results"]  # fmt: skip
        assert (row["user_status"], row["outcome"]) == ("add", "applied")
        health = (await api.client.get("/health/ready")).json()
        assert health["status"] == "degraded"
        assert f"{place['topic']}-{place['partition']}" in health["faults"]["lanes"]
        async with open_database(ready, lanes.ROLE, 1) as connections:
            await lanes.adopt_all(connections, "moved", "tester")
        async with service(ready):
            again = await api.post(
                command_body(user="a", user_status="reset"), headers={"Prefer": "wait=200"}
            )
            assert (again.status_code, again.json()["kafka_epoch"]) == (200, 1)
            (row,) = (await get(api, RESULTS, position=position))["results"]
            assert (row["user_status"], row["kafka_epoch"]) == ("block", 1)
