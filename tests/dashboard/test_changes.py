"""Changes from the page to the log and back, in a real browser on the real stack."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from service.registry.api_keys import Scope, read_key, revoke_key
from tests.dashboard.person import Person
from tests.dashboard.visitor import visiting
from tests.http.client import Api, api_running
from tests.support.database import connected, folded, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import Browser

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
USER = "segments/1/user?user=jo@example.com"


async def test_a_newcomer_makes_a_segment_adds_blocks_and_resets_somebody_and_finds_out_why(
    api: Api, sign_in: Callable[..., Any]
) -> None:
    async with sign_in() as person:
        page = person.page
        await page.get_by_role("link", name="New segment").click()
        await page.get_by_label("Name").fill("Big spenders")
        await page.get_by_role("button", name="Create segment").click()
        await person.sees("Nobody has been in this segment yet.")
        await page.get_by_label("A user: an email or a user id").fill(" Jo@Example.com ")
        await page.get_by_role("button", name="Find or add").click()
        await person.sees("No command named this user in this segment yet.")
        for status, now, done in (
            ("Add", "Add now", "pinned"),
            ("Block", "Block now", "blocked"),
            ("Reset", "Reset now", "not a member"),
        ):
            await person.choose(status, f"Because of {status}")
            await person.sees("This will take effect.")
            await page.get_by_role("button", name=now).click()
            await person.sees("Done.")
            await expect(page.locator(".event").first).to_contain_text(f"Because of {status}")
            await expect(page.locator(".state")).to_contain_text(done)
        await expect(page.locator(".event")).to_have_count(3)
        await expect(page.locator(".event").first).to_contain_text("by ann@example.com (dashboard)")
        await page.get_by_role("link", name="All segments of this user").click()
        await expect(page.locator(".timeline title")).to_have_count(2)
        assert person.faults == []
    events = await rows(
        api.settings,
        "SELECT user_id, user_status, source, actor FROM reporting.event ORDER BY received_at, kafka_offset",
    )
    assert events == [
        {
            "user_id": "jo@example.com",
            "user_status": status,
            "source": "dashboard",
            "actor": "ann@example.com",
        }
        for status in ("add", "block", "reset")
    ]


async def test_a_definition_is_edited_reverted_archived_and_restored(
    api: Api, sign_in: Callable[..., Any]
) -> None:
    async with sign_in() as person:
        page = person.page
        await person.go("segments/1/definition")
        await page.get_by_label("Name").fill("Better name")
        await page.get_by_label("Description").fill("Now described")
        await page.get_by_role("checkbox", name="Hidden").check()
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator(".history li")).to_have_count(2)
        await expect(page.locator(".changes").first).to_contain_text("Better name")
        await page.get_by_role("button", name="Make this the definition again").click()
        await expect(page.locator(".history li")).to_have_count(3)
        await page.locator("#archive-reason").fill("Nobody uses it")
        await page.get_by_role("button", name="Archive segment").click()
        await person.sees("Archived since")
        await expect(page.locator(".history li").first).to_contain_text("Nobody uses it")
        await person.go(USER)
        await person.choose("Add")
        await person.sees("the segment is archived")
        await person.go("segments/1/definition")
        await page.get_by_role("button", name="Restore segment").click()
        await expect(page.locator(".history li")).to_have_count(5)
        assert person.faults == [] or all("409" in fault for fault in person.faults)
    history = await rows(
        api.settings,
        "SELECT segment_name, description, is_visible, archived, actor, reason"
        " FROM reporting.segment_history ORDER BY valid_from",
    )
    first: dict[str, Any] = {
        "segment_name": "segment 1",
        "description": None,
        "is_visible": True,
        "archived": False,
        "reason": None,
    }
    edited: dict[str, Any] = {
        "segment_name": "Better name",
        "description": "Now described",
        "is_visible": False,
        "archived": False,
        "reason": None,
    }
    archived = first | {"archived": True, "reason": "Nobody uses it"}
    expected = [first, edited, first, archived, first]
    assert [{**row} for row in history] == [
        {**one, "actor": "ann@example.com" if nth else None} for nth, one in enumerate(expected)
    ]


async def test_a_name_that_is_taken_is_said_to_be_and_the_form_keeps_what_was_typed(
    sign_in: Callable[..., Any],
) -> None:
    async with sign_in() as person:
        await person.go("new-segment")
        await person.page.get_by_label("Name").fill("segment 1")
        await person.page.get_by_label("Description").fill("Typed")
        await person.page.get_by_role("button", name="Create segment").click()
        await expect(person.page.get_by_role("alert")).to_contain_text(
            "has that name or id already"
        )
        await expect(person.page.get_by_role("alert")).to_be_focused()
        await expect(person.page.get_by_label("Description")).to_have_value("Typed")
        assert await person.violations() == []


async def test_what_one_admin_does_another_sees_without_loading_the_page_anew(
    sign_in: Callable[..., Any],
) -> None:
    async with sign_in(name="bob@example.com") as watching, sign_in() as acting:
        await watching.go("segments/1")
        await watching.sees("No members.")
        field = watching.page.get_by_label("A user: an email or a user id")
        await field.fill("half typ")
        await acting.go(USER)
        await acting.choose("Add")
        await acting.page.get_by_role("button", name="Add now").click()
        await acting.sees("Done.")
        await expect(watching.page.get_by_role("link", name="jo@example.com")).to_be_visible()
        # What was being typed is kept, and the focus with it.
        await expect(field).to_have_value("half typ")
        await expect(field).to_be_focused()


async def test_a_region_that_is_refreshed_keeps_the_focus(
    api: Api, sign_in: Callable[..., Any]
) -> None:
    async with sign_in() as person:
        await person.go("segments")
        link = person.page.get_by_role("link", name="segment 1")
        await link.focus()
        await api.post({"user": "u", "segment_id": 1, "user_status": "add"})
        await folded(api.settings)
        await expect(person.page.locator("#segment-1 [data-label=Members]")).to_have_text("1")
        await expect(link).to_be_focused()


async def test_everything_is_done_by_keyboard(sign_in: Callable[..., Any]) -> None:
    async with sign_in() as person:
        page = person.page
        await person.go(USER)
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        await page.keyboard.press("Enter")
        await _tab_to(person, "input[type=radio]")
        await page.keyboard.press("Space")
        await _tab_to(person, "#description")
        await page.keyboard.type("By keyboard")
        await _tab_to(person, "button[value=preview]")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Add now")).to_be_focused()
        await page.keyboard.press("Enter")
        await person.sees("Done.")
        await person.sees("By keyboard")


async def _tab_to(person: Person, selector: str) -> None:
    for _ in range(40):
        await person.page.keyboard.press("Tab")
        if await person.page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(selector)


async def test_with_the_broker_away_nothing_is_sent_and_the_form_says_so(
    ready: Settings, browser: Browser
) -> None:
    away = ready.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    async with api_running(away, wait=False) as api:
        context = await browser.new_context(base_url=api.url)
        person = Person(await context.new_page())
        await person.sign_in(await api.key())
        await person.go(USER)
        await person.choose("Add", "Kept")
        await person.page.get_by_role("button", name="Add now").click()
        await person.sees("Not sent.")
        await person.sees("the broker does not answer")
        await expect(person.page.get_by_label("Reason")).to_have_value("Kept")
        await context.close()


async def test_what_was_previewed_once_counts_once_however_often_it_is_sent(api: Api) -> None:
    async with visiting(api) as visitor:
        preview = await visitor.post(USER, user_status="add", step="preview")
        (key,) = re.findall(r'name="idempotency_key" value="([^"]+)"', preview.text)
        for _ in range(2):
            sent = await visitor.post(USER, user_status="add", step="send", idempotency_key=key)
            assert sent.status_code == 303
        await folded(api.settings)
        assert (
            "Stored before: it counts once."
            in (
                await visitor.get(f"sent?position={sent.headers['location'].partition('sent=')[2]}")
            ).text
        )
    assert len(await rows(api.settings, "SELECT 1 FROM reporting.event")) == 1


@pytest.mark.parametrize("key", ["schlüssel", "k" * 256])
async def test_a_key_that_no_record_can_have_is_refused(idle_api: Api, key: str) -> None:
    async with visiting(idle_api) as visitor:
        for step in ("preview", "send"):
            sent = await visitor.post(USER, user_status="add", step=step, idempotency_key=key)
            assert sent.status_code == 400


async def test_when_the_key_is_revoked_an_open_page_goes_to_the_sign_in(
    api: Api, sign_in: Callable[..., Any]
) -> None:
    async with sign_in(Scope.REPORT) as person:
        await person.go("segments")
        await person.sees("segment 1")
        key = await api.key("n", Scope.REPORT, name="ann@example.com")
        async with connected(api.settings) as connection:
            await revoke_key(connection, read_key(key).key_id)
        await expect(person.page.get_by_label("API key")).to_be_visible()


async def test_when_the_server_is_away_the_page_says_so_and_keeps_what_it_shows(
    ready: Settings, browser: Browser
) -> None:
    context = await browser.new_context()
    person = Person(await context.new_page())
    async with api_running(ready) as api:
        await person.page.goto(f"{api.url}/admin")
        await person.page.get_by_label("API key").fill(await api.key())
        await person.page.get_by_role("button", name="Sign in").click()
        await person.sees("segment 1")
        await expect(person.page.locator("#away")).to_be_hidden()
    await expect(person.page.locator("#away")).to_be_visible()
    await person.sees("segment 1")
    await context.close()


async def test_a_reader_is_offered_no_change(sign_in: Callable[..., Any]) -> None:
    async with sign_in(Scope.REPORT) as person:
        for path in ("segments", "segments/1", "segments/1/definition", USER, "new-segment"):
            await person.go(path)
            # Signing out is the only form that changes anything.
            await expect(person.page.locator("form[method=post]")).to_have_count(1)
            await expect(person.page.get_by_role("link", name="New segment")).to_have_count(0)
