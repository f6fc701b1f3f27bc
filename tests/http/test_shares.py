"""Questions that take for ever: Postgres ends what was given up, and only the network that asks them waits."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from service.http.kit import database, shares
from service.http.kit.problems import Problem
from service.http.kit.shares import Shares
from tests.http.client import api_running, command_body
from tests.http.reading import AT, MEMBERS, appended, get
from tests.support import lane
from tests.support.database import connected, until
from tests.support.pooler import pooled
from tests.support.waiting import holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack
# A question about what was known at a time calls the fold; what is asked about now doesn't.
FOR_EVER = """
CREATE OR REPLACE FUNCTION segments.fold_step(
    state segments.key_state, start segments.key_state,
    user_status smallint, status_change_timestamp timestamptz, received_at timestamptz, recorded_at timestamptz,
    lane_id integer, kafka_offset bigint, expires_at timestamptz, expired_lane_id integer, expired_offset bigint
) RETURNS segments.key_state LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3600); RETURN state; END $$
"""
# In this database, and at it for longer than it takes to ask about now.
UNDER_WAY = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active' AND wait_event = 'PgSleep'
"""
CONNECTIONS = 8
PAST = {"as_of": AT + 10, "known_at": 4_000_000_000}


@asynccontextmanager
async def asking(api: Api, clients: int, network: str) -> AsyncIterator[list[int]]:
    """Have so many clients of a network ask about the past again and again; gives the statuses of their answers."""
    answers: list[int] = []
    path = f"/networks/{network}/segments/1/members"

    async def ask() -> None:
        while True:
            response = await api.call("GET", path, network=network, params=PAST)
            answers.append(response.status_code)

    tasks = [asyncio.create_task(ask()) for _ in range(clients)]
    try:
        yield answers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@asynccontextmanager
async def slow_past(settings: Settings) -> AsyncIterator[None]:
    """Give networks n and m a member each, and let every question about the past take for ever."""
    one = {"status_change_timestamp": AT}
    async with appended(
        settings, lane.command_json(**one), lane.command_json(network_id="m", **one)
    ):
        async with connected(settings) as connection:
            await connection.execute(FOR_EVER)
        yield


@pytest.mark.parametrize("way", ["direct", "pooled"])
async def test_what_the_api_gave_up_ends_in_postgres_too(
    ready: Settings, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(database, "SECONDS", 0.5)

    async def load(settings: Settings) -> None:
        async with api_running(settings) as api, asking(api, 20, "n") as answers:
            await holds(lambda: len(answers) >= 4 * CONNECTIONS)
            assert set(answers) == {503}
            await until(ready, UNDER_WAY, lambda count: count <= CONNECTIONS)
        await until(ready, UNDER_WAY, lambda count: count == 0)

    async with slow_past(ready):
        if way == "pooled":
            async with pooled(ready) as (_, through):
                await load(through)
        else:
            await load(ready)


async def test_a_network_that_asks_too_much_waits_alone(ready: Settings) -> None:
    async with slow_past(ready), api_running(ready) as api, asking(api, 20, "m") as answers:
        await until(ready, UNDER_WAY, lambda count: count >= CONNECTIONS // 2)
        for number in range(40):
            key = await api.key("n", name=f"key {number}")  # found in Postgres for the first time
            api.keys.clear()
            headers = {"Authorization": f"Bearer {key}"}
            path = "/networks/n/segments"
            sent = await api.client.post(path, json=command_body(user=f"{number}"), headers=headers)
            assert sent.status_code == 201
            assert [row["user_id"] for row in (await get(api, MEMBERS))["members"]] == ["u"]
            ready_is = await api.client.get("/health/ready")
            assert (ready_is.status_code, ready_is.json()["status"]) == (200, "ready")
        await holds(lambda: len(answers) >= 20)
        assert set(answers) == {503}
        refused = await api.call("GET", "/networks/m/segments/1/members", network="m", params=PAST)
        assert refused.headers["retry-after"]
    await until(ready, UNDER_WAY, lambda count: count == 0)


async def test_places_are_handed_on_in_turn_among_networks() -> None:
    places = Shares(2)
    order: list[str] = []
    leave = asyncio.Event()

    async def stay(network: str) -> None:
        async with places.place(network, 60):
            order.append(network)
            await leave.wait()

    tasks = [asyncio.create_task(stay(name)) for name in ("a", "a", "a", "b", "b", "c")]
    await asyncio.sleep(0)
    await holds(lambda: len(order) >= 2)
    assert order == ["a", "b"]  # half of two, each
    leave.set()
    await asyncio.gather(*tasks)
    assert order[2:] == ["a", "b", "c", "a"]
    async with places.place("a", 0.01), places.place("b", 0.01):
        pass


async def test_whoever_waits_too_long_or_behind_too_many_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shares, "MOST_WAITING", 1)
    places = Shares(2)
    async with places.place("a", 60):
        waiting = asyncio.create_task(_fails(places))
        await asyncio.sleep(0)
        full = await _fails(places)
        late = await waiting
    for problem in (full, late):
        assert (problem.status, problem.reason, problem.headers) == (
            503,
            "busy",
            {"Retry-After": "2"},
        )
    async with places.place("a", 0.01):
        pass


async def test_a_network_whose_questions_take_long_has_one_place_while_others_ask() -> None:
    now = [0.0]
    places = Shares(8, lambda: now[0])

    async def ask(network: str, seconds: float) -> None:
        async with places.place(network, 60):
            now[0] += seconds

    await ask("a", 2.0)
    async with places.place("a", 60), places.place("a", 60):
        pass  # alone, it has its half
    await ask("b", 0.01)
    async with places.place("a", 60):
        assert (await _fails(places)).status == 503
        async with places.place("b", 0.01), places.place("b", 0.01):
            pass  # whose questions are short
    now[0] += shares.RECENT_SECONDS + 0.1
    await ask("a", 2.0)
    async with places.place("a", 60), places.place("a", 60):
        pass
    await ask("b", 0.01)
    now[0] += 10
    await ask("b", 0.01)
    async with places.place("a", 60), places.place("a", 60):
        pass  # it was quiet for some seconds


async def _fails(places: Shares) -> Any:
    with pytest.raises(Problem) as caught:
        async with places.place("a", 0.2):
            pass
    return caught.value
