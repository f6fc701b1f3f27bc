"""Every page in a real browser: light, dark and on a phone of 320 px."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.dashboard.world import furnish

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.dashboard.person import Person
    from tests.http.client import Api

pytestmark = pytest.mark.stack
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 800}},
    "phone": {"color_scheme": "light", "viewport": {"width": 320, "height": 640}},
}
PAGES = (
    "segments?show=all", "segments?q=nothing+like+it", "new-segment", "segments/1",
    "segments/1?list=overrides&range=all", "segments/1?chart=causes&list=disagreements&range=year",
    "segments/1?list=activity&tz=Europe/Berlin", "segments/1?as_of=2026-01-01T12:00&known_at=2026-01-01T12:00",
    "segments/5?chart=causes&list=activity", "import", "erasure?user=jo@example.com",
    "segments/2", "segments/3", "segments/5", "segments/1/definition", "segments/4/definition", "user",
    "user?user=jo@example.com", "user?user=nobody", "segments/1/user?user=jo@example.com",
    "segments/2/user?user=jo@example.com", "segments/1/user?user=new@example.com",
    "audit", "audit?list=reads", "audit?actor=nobody", "rejected", "rejected?reason=not_json&topic=none",
    "../../networks", "../../operations?keys=all", "../../operations/tasks",
    "segments/1?list=readers&from=2026-01-01&to=2026-01-31",
    "segments/1/chart?chart=causes", "segments/1/moved?day=2026-01-01",
)  # fmt: skip
ERRORS = ("segments/99", "nothing")


@pytest.mark.parametrize("look", LOOKS)
async def test_pages_are_accessible_fit_their_window_and_break_no_policy(
    api: Api, sign_in: Callable[..., Any], look: str
) -> None:
    await furnish(api.settings, int(time.time()))
    async with sign_in(**LOOKS[look]) as person:
        for path in PAGES:
            await person.go(path)
            await _passes(person, path)
        await person.go("segments/1/user?user=new@example.com")
        await person.choose("Add", "Asked for it")
        await person.sees("This will take effect.")
        await _passes(person, "preview")
        assert person.faults == []
        for path in ERRORS:
            await person.go(path)
            await _passes(person, path)
        await person.page.context.clear_cookies()
        await person.page.goto("/admin")
        await _passes(person, "sign-in")


async def test_pages_fit_their_window_at_200_percent(api: Api, sign_in: Callable[..., Any]) -> None:
    await furnish(api.settings, int(time.time()))
    half = {"width": 640, "height": 400}
    async with sign_in(viewport=half, device_scale_factor=2, reduced_motion="reduce") as person:
        for path in PAGES:
            await person.go(path)
            assert not await person.is_scrolled_sideways(), path


async def _passes(person: Person, where: str) -> None:
    assert not await person.is_scrolled_sideways(), where
    await person.open_details()
    assert not await person.is_scrolled_sideways(), f"{where}, all opened"
    assert await person.violations() == [], where
