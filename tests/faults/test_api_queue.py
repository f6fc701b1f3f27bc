"""A broker that stops answering while much waits to be published: `unknown` is what it was handed, all else is `no`."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from service.http.publishing.publisher import BATCH_BYTES
from tests.faults.test_servers import in_thread
from tests.http.client import api_running, command_body
from tests.support.database import folded, make_segments, rows
from tests.support.roles import service
from tests.support.waiting import holds

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.fault]
AT = 1_700_000_000
LONG = "x" * 3000


async def test_what_waits_for_its_turn_when_the_broker_stops_was_not_published(
    own_stack: Stack, faulty: Settings
) -> None:
    await make_segments(faulty)
    of_one_lane = [
        command_body(
            user="u", reference_id=str(n), status_change_timestamp=AT + n, description=LONG
        )
        for n in range(1000)
    ]
    first = command_body(user="u", reference_id="first", status_change_timestamp=AT)
    async with api_running(faulty) as api:
        assert (await api.post(first)).status_code == 201
        await in_thread(own_stack.kafka, "pause")
        try:
            response = await api.call("POST", "/networks/n/segments/batch", json=of_one_lane)
        finally:
            await in_thread(own_stack.kafka, "resume")
        assert response.status_code == 207
        told: dict[str, set[str]] = defaultdict(set)
        for number, item in enumerate(response.json()["items"]):
            assert (item["status"], item["reason"]) == (503, "broker_away")
            told[item["published"]].add(str(number))
        assert set(told) == {"unknown", "no"}
        # One batch of the lane at most, though all of it was taken.
        assert len(told["unknown"]) * len(LONG) <= BATCH_BYTES

        async def is_back() -> bool:
            return (await api.post(first)).status_code == 201

        await holds(is_back)
        async with service(api.settings):
            await folded(api.settings)
    found = await rows(faulty, "SELECT reference_id FROM reporting.event")
    assert {row["reference_id"] for row in found} == {"first", *told["unknown"]}
