"""Verify and rebuild, asked for on the page: done by a process, followed, cancelled, ended by another."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from projections.operations import tasks as runner
from service.postgres.database import database_url
from service.registry.api_keys import Scope
from service.runtime.secret import SecretStr
from tests.dashboard.visitor import visiting
from tests.support.database import connected, folded, rows, value
from tests.support.roles import service
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.client import Api

pytestmark = pytest.mark.stack
PAGE, TASKS = "/admin/operations/tasks", "/operations/tasks"


async def newest(api: Api) -> dict[str, Any]:
    listed = (await api.call("GET", TASKS, params={"limit": "1"})).json()["tasks"]
    task: dict[str, Any] = listed[0]
    return task


async def ended(api: Api, outcome: str) -> dict[str, Any]:
    """Wait until the newest task has ended, and check how."""

    async def has_ended() -> bool:
        return (await newest(api))["ended_at"] is not None

    await holds(has_ended)
    task = await newest(api)
    assert task["outcome"] == outcome, task
    return task


async def test_a_rebuild_and_a_verification_are_asked_for_and_followed_on_the_page(
    api: Api, sign_in: Callable[..., Any]
) -> None:
    await api.post({"user": "u", "segment_id": 1, "user_status": "add"})
    await folded(api.settings)
    async with service(api.settings, runner.run_tasks), sign_in() as person:
        page = person.page
        await page.goto(PAGE)
        assert await person.violations() == []
        await page.get_by_role("button", name="Rebuild").click()
        await person.sees("Rebuilt from 1 events")
        await page.get_by_role("button", name="Verify").click()
        await person.sees("Every view equals the fold of the log")
        await expect(page.get_by_role("button", name="Verify")).to_be_visible()
        assert await person.violations() == []
        assert not await person.is_scrolled_sideways()
        assert person.faults == []
    done = await rows(
        api.settings,
        "SELECT change, actor, after ->> 'task' AS task FROM reporting.admin_event WHERE kind = 'task' ORDER BY number",
    )
    assert [tuple(row.values()) for row in done] == [
        ("requested", "test key", "rebuild"), ("requested", "test key", "verify"),
    ]  # fmt: skip


async def test_what_differs_is_shown(api: Api) -> None:
    await api.post({"user": "u", "segment_id": 1, "user_status": "add"})
    await folded(api.settings)
    async with connected(api.settings) as owner:
        await owner.execute("UPDATE projections.size SET members = members + 1")
    async with visiting(api) as visitor, service(api.settings, runner.run_tasks):
        assert (await visitor.post("../../operations/tasks", kind="verify")).status_code == 303
        task = await ended(api, "differences")
        text = (await visitor.client.get(PAGE)).text
    assert task["result"]["differences"][0]["view"] == "segment_size"
    assert "1 difference<" in text
    assert "segment_size" in text


async def test_what_differs_names_no_user(api: Api) -> None:
    """An erasure does not reach it."""
    await api.post({"user": "ann@x", "segment_id": 1, "user_status": "add"})
    await folded(api.settings)
    async with connected(api.settings) as owner:
        await owner.execute("UPDATE projections.membership SET is_member = false, override = NULL")
    async with visiting(api) as visitor, service(api.settings, runner.run_tasks):
        assert (await visitor.post("../../operations/tasks", kind="verify")).status_code == 303
        task = await ended(api, "differences")
        text = (await visitor.client.get(PAGE)).text
    found = task["result"]["differences"]
    assert {"view": "user_segment", "key": "n/1"}.items() <= found[0].items()
    assert "ann@x" not in text + str(task)


async def test_a_task_that_waits_is_cancelled_at_once_and_only_one_is_at_a_time(
    idle_api: Api,
) -> None:
    asked = await idle_api.call("POST", TASKS, json={"kind": "verify"})
    assert (asked.status_code, asked.json()["started_at"]) == (202, None)
    async with visiting(idle_api) as visitor:
        again = await visitor.post("../../operations/tasks", kind="rebuild")
        assert (again.status_code, "another task has not ended" in again.text) == (409, True)
    twice = await idle_api.call("POST", TASKS, json={"kind": "verify"})
    assert (twice.status_code, twice.json()["reason"]) == (409, "task_running")
    path = f"{TASKS}/{asked.json()['task_id']}"
    gone = await idle_api.call("DELETE", path)
    assert (gone.status_code, gone.json()["outcome"]) == (202, "cancelled")
    assert (await idle_api.call("DELETE", path)).json()["reason"] == "unknown_task"
    assert (await idle_api.call("DELETE", f"{TASKS}/99")).status_code == 404


async def test_a_task_under_way_is_cancelled_and_its_query_ended(
    api: Api, sign_in: Callable[..., Any]
) -> None:
    async with (
        connected(api.settings) as owner,
        service(api.settings, runner.run_tasks),
        owner.transaction(),
    ):
        # A verification waits for this lock.
        await owner.execute("LOCK TABLE projections.size IN ACCESS EXCLUSIVE MODE")
        async with sign_in() as person:
            await person.page.goto(PAGE)
            await person.page.get_by_role("button", name="Verify").click()
            await person.sees("Step ")
            await person.page.get_by_role("button", name="Cancel verify").click()
            await person.sees("cancelled by ann@example.com")
            assert await person.violations() == []
            await ended(api, "cancelled")

        async def nobody_waits() -> bool:
            waiting = await owner.fetchval(
                "SELECT count(*) FROM pg_locks WHERE relation = 'projections.size'::regclass AND NOT granted"
            )
            return not waiting

        await holds(nobody_waits)


async def test_a_rebuild_that_is_cancelled_after_its_swap_is_done(api: Api) -> None:
    await api.post({"user": "u", "segment_id": 1, "user_status": "add"})
    await folded(api.settings)
    async with connected(api.settings) as owner, owner.transaction():
        # To empty the former tables waits for this.
        await owner.execute("LOCK TABLE projections.size_0 IN SHARE MODE")
        async with visiting(api) as visitor, service(api.settings, runner.run_tasks):
            await visitor.post("../../operations/tasks", kind="rebuild")

            async def is_in_the_last_step() -> bool:
                return str((await newest(api))["step"]) == "empty the former"

            await holds(is_in_the_last_step)
            task = await newest(api)
            await api.call("DELETE", f"{TASKS}/{task['task_id']}")
            await ended(api, "done")
            assert "The new tables serve" in (await visitor.client.get(PAGE)).text
    assert await value(api.settings, "SELECT slot FROM projections.generation") == 1


async def test_a_task_whose_process_was_killed_is_ended_by_another(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LEASE_SECONDS", 1)
    async with connected(api.settings) as owner:
        await api.call("POST", TASKS, json={"kind": "verify"})
        await owner.execute("UPDATE segments.task SET started_at = now()")
    async with service(api.settings, runner.run_tasks):
        await ended(api, "interrupted")


async def test_a_process_that_stops_ends_its_task(api: Api) -> None:
    async with connected(api.settings) as owner, owner.transaction():
        await owner.execute("LOCK TABLE projections.size IN ACCESS EXCLUSIVE MODE")
        async with service(api.settings, runner.run_tasks):
            await api.call("POST", TASKS, json={"kind": "verify"})

            async def is_begun() -> bool:
                return bool((await newest(api))["steps_done"])

            await holds(is_begun)
        await ended(api, "interrupted")


async def test_a_task_takes_scope_operate(idle_api: Api) -> None:
    async with visiting(idle_api, *(set(Scope) - {Scope.OPERATE})) as visitor:
        assert (await visitor.client.get(PAGE)).status_code == 403
        for path in ("tasks", "tasks/cancelled"):
            answer = await visitor.post(f"../../operations/{path}", kind="verify", task_id="1")
            assert answer.status_code == 403
    async with visiting(idle_api) as visitor:
        assert (await visitor.post("../../operations/tasks", kind="nonsense")).status_code == 400
        for text in ("x", "1" * 19):
            answer = await visitor.post("../../operations/tasks/cancelled", task_id=text)
            assert answer.status_code == 400
    assert await value(idle_api.settings, "SELECT count(*) FROM segments.task") == 0


async def test_a_login_that_may_not_verify_leaves_tasks_to_others(api: Api) -> None:
    login = f"login_{uuid.uuid4().hex[:12]}"
    host = database_url(api.settings).rpartition("@")[2].removeprefix("postgresql://")
    await api.call("POST", TASKS, json={"kind": "verify"})
    async with connected(api.settings) as owner:
        await owner.execute(
            f"CREATE ROLE {login} LOGIN PASSWORD 'pw'; GRANT segments_project TO {login}"
        )
        try:
            least = api.settings.model_copy(
                update={"database_url": SecretStr(f"postgresql://{login}:pw@{host}")}
            )
            await asyncio.wait_for(runner.run_tasks(least, asyncio.Event()), PATIENCE)
        finally:
            await owner.execute(f"DROP ROLE {login}")
    assert (await newest(api))["started_at"] is None
