"""Erasing a person: on the page, over HTTP and on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from service.http import erasure_routes
from service.registry.api_keys import Scope
from tests.dashboard.visitor import visiting
from tests.support.command_line import run
from tests.support.database import folded, rows, value
from tests.support.kafka import NewRecord, publish

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.client import Api

pytestmark = pytest.mark.stack
USER = "Jo@example.com"
PATH = "/networks/n/admin/erasures"
CONTENT = {"segments": 1, "events": 2, "texts": 2, "rejected": 1}


async def sent(api: Api) -> None:
    """Two commands of one person, the second under another spelling, and one that is rejected."""
    await publish(
        api.settings,
        [
            NewRecord(user="jo@example.com", user_status="add", description="Called us"),
            NewRecord(user=USER, user_status="reset"),
            NewRecord(user=USER, segment_id=99),
        ],
    )
    await folded(api.settings)


async def test_what_is_erased_is_counted_confirmed_by_typing_and_receipted(
    api: Api, sign_in: Callable[..., Any]
) -> None:
    await sent(api)
    async with sign_in() as person:
        page = person.page
        await person.go("user?user=jo@example.com")
        await page.get_by_role("link", name="Erase").click()
        await expect(page.locator(".figures dd")).to_have_text(["1", "2", "2", "1"])
        assert await person.violations() == []
        await page.get_by_label("Reason").fill("request of 2 May")
        await page.get_by_label("to confirm").fill("jo@example.org")
        await page.get_by_role("button", name="Erase for ever").click()
        await expect(page.get_by_role("alert")).to_contain_text("type the user once more")
        await expect(page.get_by_label("Reason")).to_have_value("request of 2 May")
        await page.get_by_label("to confirm").fill(" JO@example.com ")
        await page.get_by_role("button", name="Erase for ever").click()
        await expect(page.locator("#receipt")).to_contain_text("2 commands in 1 segments")
        await expect(page.get_by_role("heading", level=1)).to_have_text("erased:1")
        assert await person.violations() == []
    (erasure,) = await rows(api.settings, "SELECT actor, reason FROM segments.erasure")
    assert tuple(erasure.values()) == ("ann@example.com", "request of 2 May")
    assert await value(api.settings, "SELECT count(description) FROM segments.event") == 0


async def test_who_may_not_change_segments_erases_nobody(api: Api) -> None:
    await sent(api)
    async with visiting(api, Scope.REPORT, Scope.PUBLISH) as visitor:
        answer = await visitor.post("erasure?user=jo@example.com", typed=USER, reason="x")
        assert answer.status_code == 403
        assert "Erase for ever" not in (await visitor.get("erasure?user=jo@example.com")).text
    assert await value(api.settings, "SELECT count(*) FROM segments.erasure") == 0


async def test_the_api_counts_erases_and_gives_a_receipt(api: Api) -> None:
    await sent(api)
    body = {"user": USER, "reason": "asked"}
    dry = await api.call("POST", f"{PATH}?dry_run=true", json=body)
    assert dry.json() == {"erased_as": None, **CONTENT, "remains": dry.json()["remains"]}
    assert await value(api.settings, "SELECT count(*) FROM segments.erasure") == 0
    done = await api.call("POST", PATH, json=body)
    assert done.json() == dry.json() | {"erased_as": "erased:1"}
    for again in (
        await api.call("POST", PATH, json=body),
        await api.call("POST", f"{PATH}?dry_run=true", json=body),
    ):
        assert (again.status_code, again.json()["reason"]) == (404, "unknown_user")
    for wrong in ({"user": "a"}, {"user": "a\u0000", "reason": "x"}, {"user": "", "reason": "x"}):
        assert (await api.call("POST", PATH, json=wrong)).status_code == 400
    assert (await api.call("POST", PATH, Scope.PUBLISH, json=body)).status_code == 403


async def test_a_user_with_many_rows_is_for_an_operator_to_erase(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sent(api)
    monkeypatch.setattr(erasure_routes, "MOST_ROWS", CONTENT["events"] + CONTENT["rejected"] - 1)
    answer = await api.call("POST", PATH, json={"user": USER, "reason": "asked"})
    assert (answer.status_code, "segments erase" in answer.json()["detail"]) == (413, True)
    assert await value(api.settings, "SELECT count(*) FROM segments.erasure") == 0
    monkeypatch.setattr(erasure_routes, "MOST_ROWS", CONTENT["events"] + CONTENT["rejected"])
    assert (await api.call("POST", PATH, json={"user": USER, "reason": "asked"})).status_code == 200


async def test_the_command_line_counts_erases_and_gives_a_receipt(api: Api) -> None:
    await sent(api)
    call = ("erase", "--network", "n", "--user", USER, "--reason", "asked", "--json")
    dry = await run(api.settings, *call, "--dry-run")
    assert dry.json == {"erased_as": None, **CONTENT, "remains": dry.json["remains"]}
    done = await run(api.settings, *call)
    assert done.json == dry.json | {"erased_as": "erased:1"}
    again = await run(api.settings, *call)
    assert (again.code, again.out) == (1, "")
    assert "is of this user" in again.err
