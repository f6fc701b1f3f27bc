"""Operations, for operators' keys alone: lanes and lag, expiries, sources, and API keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from service.registry import command_topics
from service.registry.api_keys import Scope
from tests.dashboard.visitor import visiting
from tests.support.database import connected, folded, rows, value
from tests.support.kafka import NewRecord, publish

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.client import Api

pytestmark = pytest.mark.stack
OPERATIONS = "/admin/operations"


async def test_the_page_takes_scope_operate(idle_api: Api) -> None:
    async with visiting(idle_api, Scope.REPORT, Scope.PUBLISH, Scope.ADMIN) as visitor:
        answer = await visitor.client.get(OPERATIONS)
        assert (answer.status_code, "scope operate" in answer.text) == (403, True)
        assert "Operations" not in (await visitor.get("segments")).text
        for path in (f"../../{path}" for path in ("operations", "operations/revoked")):
            answer = await visitor.post(path, network_id="n", scope_operate="true", key_id="k")
            assert answer.status_code == 403
    assert await value(idle_api.settings, "SELECT count(*) FROM segments.api_key") == 1


async def test_lanes_watermark_and_sources_are_those_of_the_views(
    api: Api, sign_in: Callable[..., Any]
) -> None:
    await publish(api.settings, [NewRecord(user=f"u{nth}", lane=0) for nth in range(3)])
    await folded(api.settings)
    async with connected(api.settings) as owner:
        await command_topics.allow(owner, api.settings, "crm", networks=["n"], statuses=["add"])
    async with sign_in() as person:
        await person.page.goto(OPERATIONS)
        lane = person.page.get_by_role("row", name=re.compile(r"commands-0"))
        await expect(lane.locator("[data-label=Events]")).to_have_text("3")
        await expect(lane.locator("[data-label='Not projected']")).to_have_text("0")
        await expect(
            person.page.get_by_role("row", name=re.compile("^crm allowed n add"))
        ).to_be_visible()
        assert await person.violations() == []
        assert person.faults == []
    until = await value(api.settings, "SELECT complete_until FROM reporting.watermark")
    assert until


async def test_a_stopped_lane_says_why(api: Api) -> None:
    await publish(api.settings, [NewRecord(lane=0)])
    await folded(api.settings)
    async with connected(api.settings) as owner:
        await owner.execute("UPDATE segments.lane SET stopped_because = 'its topic was remade'")
    async with visiting(api) as visitor:
        assert "its topic was remade" in (await visitor.client.get(OPERATIONS)).text


async def test_a_key_is_made_shown_once_used_and_revoked(
    api: Api, sign_in: Callable[..., Any]
) -> None:
    async with sign_in() as person:
        page = person.page
        await page.goto(OPERATIONS)
        await page.get_by_label("Name").fill("=shop")
        await page.get_by_label("report").check()
        await page.get_by_label("Valid for days").fill("30")
        await page.get_by_role("button", name="Make key").click()
        secret = await page.locator("#made code").inner_text()
        assert await person.violations() == []
        answer = await api.client.get(
            "/networks/n/sizes", headers={"Authorization": f"Bearer {secret}"}
        )
        assert answer.status_code == 200
        await page.goto(OPERATIONS)
        await expect(page.locator("#made")).to_have_count(0)
        await page.get_by_role("button", name="Revoke =shop").click()
        await expect(page.get_by_role("button", name="Revoke =shop")).to_have_count(0)
        await page.get_by_role("link", name="all", exact=True).click()
        await person.sees("=shop")
    done = await rows(
        api.settings,
        "SELECT change, actor, after ->> 'name' AS name, before ->> 'name' AS was FROM reporting.admin_event"
        " WHERE kind = 'key' AND change IN ('created', 'revoked') AND '=shop' IN (after ->> 'name', before ->> 'name')"
        " ORDER BY number",
    )
    assert [tuple(row.values()) for row in done] == [
        ("created", "ann@example.com", "=shop", None), ("revoked", "ann@example.com", None, "=shop"),
    ]  # fmt: skip


async def test_a_key_that_cannot_be_is_not_made(idle_api: Api) -> None:
    forms: tuple[dict[str, Any], ...] = (
        {"network_id": "no network", "scope_report": "true"},
        {"network_id": "n"},
        {"network_id": "n", "scope_report": "true", "days": "0"},
        {"network_id": "n", "scope_report": "true", "days": "x"},
        {"network_id": "n", "scope_report": "true", "days": "000001" + "1" * 4300},
        {"network_id": "n", "scope_report": "true", "key_name": "x" * 256},
    )
    async with visiting(idle_api) as visitor:
        for form in forms:
            answer = await visitor.post("../../operations", **form)
            assert answer.status_code == 400, form
        assert (await visitor.post("../../operations/revoked", key_id="k")).status_code == 404
    assert await value(idle_api.settings, "SELECT count(*) FROM segments.api_key") == 1
