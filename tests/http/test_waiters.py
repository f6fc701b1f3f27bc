"""Those who wait for an outcome are answered for each network by itself: one whose answers take long waits alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from projections.fold.worker import project
from service.ingest.role import ingest
from tests.http.client import api_running, command_body
from tests.support.database import connected, make_segments, until
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
IN_2096 = 4_000_000_000
# Network m's results never come; only the api waits for them.
SLOW = """
CREATE FUNCTION reporting.never_for_m(network_id text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
    IF network_id = 'm' AND current_user = 'segments_api' THEN PERFORM pg_sleep(3600); END IF;
    RETURN true;
END $$;
ALTER VIEW reporting.result RENAME TO true_result;
CREATE VIEW reporting.result AS
SELECT r.* FROM reporting.true_result AS r WHERE reporting.never_for_m(r.network_id);
GRANT SELECT ON reporting.result TO segments_api;
"""
FOLDED = "SELECT count(*) FROM projections.membership WHERE slot = 0 AND expires_at > '2090-01-01'"


async def test_a_network_whose_outcomes_take_for_ever_keeps_no_other_waiting(
    ready: Settings,
) -> None:
    await make_segments(ready, [("m", 1)])
    async with connected(ready) as connection:
        await connection.execute(SLOW)
    async with service(ready, ingest, project), api_running(ready) as api:
        slow = [
            asyncio.create_task(
                api.post(
                    command_body(user=f"{number}", expires_at=IN_2096),
                    "m",
                    headers={"Prefer": "wait=600"},
                )
            )
            for number in range(4)
        ]
        await until(ready, FOLDED, lambda count: count == len(slow))
        for number in range(5):
            response = await api.post(
                command_body(user=f"{number}"), headers={"Prefer": "wait=200"}
            )
            assert (response.status_code, response.json()["outcome"]) == (200, "applied")
        assert not any(task.done() for task in slow)
        for task in slow:
            task.cancel()
        await asyncio.wait(slow)
