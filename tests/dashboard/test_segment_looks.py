"""The page of a segment: zoom, charts that are loaded later, who reads it, snapshots, and why a day moved."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from segments.dashboard import moved, segment_chart
from service.registry.api_keys import Scope
from tests.dashboard.test_segment import DAY, NEW_YEAR, said, table, told
from tests.dashboard.visitor import next_page, visiting
from tests.support.database import connected
from tests.support.waiting import holds

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.dashboard.visitor import Visitor
    from tests.http.client import Api

pytestmark = pytest.mark.stack
LAZY = "segments/1?chart=causes&range=all&tz=Asia/Tokyo"


def links(text: str, name: str) -> dict[str, str]:
    """Return the links of a page whose id begins with a name, by the rest of the id."""
    found = re.findall(rf'id="{name}-(\w+)" href="([^"]+)"', text)
    return {rest: html.unescape(link) for rest, link in found}


async def members(visitor: Visitor, query: str) -> list[str]:
    text = (await visitor.get(f"segments/1?{query}")).text
    return sorted(re.findall(r'<th scope="row"><a [^>]*><bdi>([^<]+)</bdi>', text))


async def test_a_chart_is_zoomed_to_days_and_on_from_there(api: Api) -> None:
    await told(
        api, said("a", "enter", 0), said("b", "enter", 10 * DAY), said("c", "enter", 30 * DAY)
    )
    zoomed = "segments/1?from=2026-01-05&to=2026-01-20"
    async with visiting(api) as visitor:
        text = (await visitor.get(zoomed)).text
        days = table(text, 3)
        assert (days[0][0], days[-1][0], len(days)) == ("2026-01-20", "2026-01-05", 16)
        assert (days[0][1], days[-1][1]) == ("2", "1")
        further = links(text, "zoom")
        assert set(further) == {"earlier", "later", "in", "out"}
        inner = table((await visitor.client.get(further["in"])).text, 3)
        assert (inner[-1][0], inner[0][0]) == ("2026-01-09", "2026-01-16")
        weeks = table((await visitor.get(f"{zoomed}&unit=week&tz=Asia/Tokyo")).text, 3)
        assert [row[0] for row in weeks] == ["2026-01-19", "2026-01-12", "2026-01-05"]
        causes = table((await visitor.get(f"{zoomed}&chart=causes")).text, 4)
        assert [row[:2] for row in causes] == [("2026-01-11", "1")]
        # A range ends the zoom.
        assert "from=" not in links(text, "range")["year"]
        for wrong in ("from=2026-01-05", "from=2026-01-05&to=2026-01-04", "from=x&to=2026-01-01",
                      "from=0001-01-01&to=2026-01-01"):  # fmt: skip
            assert (await visitor.get(f"segments/1?{wrong}")).status_code == 400, wrong


async def test_a_chart_that_reads_every_change_of_a_large_segment_comes_after_the_page(
    api: Api, sign_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await told(api, said("a", "enter", 0), said("b", "add", 0))
    monkeypatch.setattr(segment_chart, "AT_ONCE", 1)
    async with visiting(api) as visitor:
        text = (await visitor.get(LAZY)).text
        assert ('<svg class="chart"' in text, table(text, 4)) == (False, [])
        (url,) = re.findall(r'<div id="chart" hx-get="([^"]+)"', text)
        alone = (await visitor.client.get(html.unescape(url))).text
        assert table(alone, 4) == [("2026-01-01", "1", "1", "0", "0")]
        # It is held for the page, which refreshes itself.
        assert table((await visitor.get(LAZY)).text, 4) == table(alone, 4)
        for kept in ("segments/1", "segments/1?chart=causes"):
            assert 'hx-trigger="load"' not in (await visitor.get(kept)).text
    async with sign_in() as person:
        await person.go(f"{LAZY}&unit=week")
        await expect(person.page.locator("svg.chart")).to_be_visible()
        assert await person.violations() == []
        assert person.faults == []


async def test_who_reads_a_segment_is_shown_to_keys_of_scope_admin(api: Api) -> None:
    await api.call("GET", "/networks/n/segments/1/members")
    async with visiting(api) as visitor, visiting(api, Scope.REPORT) as other:

        async def is_shown() -> bool:
            text = (await visitor.get("segments/1?list=readers")).text
            found = re.findall(
                r'data-label="By">(\w+)</td><td data-label="Route"><code>([^<]+)<', text
            )
            return ("http", "/networks/{network_id}/segments/{segment_id}/members") in found

        await holds(is_shown)
        assert (await other.get("segments/1?list=readers")).status_code == 403
        assert "who reads it" not in (await other.get("segments/1")).text


async def test_members_are_shown_as_shown_with_a_snapshot(api: Api) -> None:
    await told(api, said("early", "enter", 0))
    async with visiting(api) as visitor:
        text = (await visitor.get("segments/1")).text
        (token,) = re.findall(r"The snapshot of this page: <code>([^<]+)</code>", text)
        await told(api, said("early", "leave", 10), said("late", "enter", 5))
        assert await members(visitor, "") == ["late"]
        assert await members(visitor, f"snapshot={token}") == ["early"]
        exported = (await visitor.get(f"segments/1/export?snapshot={token}")).text
        assert exported.splitlines()[1].split(",")[3] == "early"
        assert (await visitor.get("segments/1?snapshot=nonsense")).status_code == 400
        both = f"segments/1?snapshot={token}&known_at=2026-01-01T00:00"
        assert (await visitor.get(both)).status_code == 400


async def test_a_day_that_moved_after_it_was_over_says_why(
    api: Api, sign_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(UTC).date()
    day = today - timedelta(days=3)
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()) - NEW_YEAR
    await told(api, said("a", "enter", noon))
    await told(api, said("b", "leave", noon + 60))
    await told(api, said("b", "enter", noon), said("c", "enter", noon))
    async with sign_in() as person:
        await person.go("segments/1?list=overrides")
        await person.page.locator("#size-table summary").click()
        await person.page.get_by_role("link", name=f"moved {day}: why").click()
        await person.sees(f"Why {day} moved")
        rows = person.page.locator("tbody tr")
        await expect(rows).to_have_count(3)
        await expect(rows.first.locator("[data-label=Joined]")).to_have_text("2 → 3")
        await person.sees("When it was over, it had 0 members, 0 joined and 0 left.")
        assert await person.violations() == []
        assert person.faults == []
    async with visiting(api) as visitor:
        monkeypatch.setattr(moved, "PER_PAGE", 3)
        first = (await visitor.get(f"segments/1/moved?day={day}")).text
        assert "Before the commands on this page, it had 1 member," in first
        rest = (await visitor.get(next_page(first))).text
        assert re.findall(r'data-label="Joined">0 → <strong>1<', rest)
        cursor = next_page(first).partition("cursor=")[2]
        other = f"segments/1/moved?day={day - timedelta(days=1)}&cursor={cursor}"
        assert (await visitor.get(other)).status_code == 400
        nothing = await visitor.get(f"segments/1/moved?day={day - timedelta(days=1)}")
        assert "Nothing that came after" in nothing.text
        for wrong in ("", "day=x", f"day={today}", "day=1800-01-01"):
            assert (await visitor.get(f"segments/1/moved?{wrong}")).status_code == 400
        assert (await visitor.get(f"segments/99/moved?day={day}")).status_code == 404


async def test_a_list_of_reads_is_a_read(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        for _ in range(2):
            await visitor.get("audit?list=reads", headers={"HX-Request": "true"})
        await visitor.get("audit")

        async def is_recorded() -> bool:
            async with connected(idle_api.settings) as connection:
                found = await connection.fetch(
                    "SELECT route, sum(reads)::integer AS reads FROM reporting.access_event GROUP BY route"
                )
            return [tuple(row.values()) for row in found] == [("/networks/{network_id}/audit", 1)]

        await holds(is_recorded)
