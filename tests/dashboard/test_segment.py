"""The page of a segment: by cause, disagreements, sources, time travel, time zones and CSV."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from segments.dashboard import export
from segments.dashboard.csv_file import harmless
from tests.dashboard.visitor import visiting
from tests.support.database import folded, value
from tests.support.kafka import NewRecord, publish

if TYPE_CHECKING:
    from tests.http.client import Api

pytestmark = pytest.mark.stack
DAY = 86_400
NEW_YEAR = 1_767_225_600


def said(user: str, status: str, at: int, **more: Any) -> NewRecord:
    return NewRecord(user=user, user_status=status, status_change_timestamp=NEW_YEAR + at, **more)


async def told(api: Api, *records: NewRecord) -> None:
    await publish(api.settings, list(records))
    await folded(api.settings)


def table(text: str, columns: int) -> list[tuple[str, ...]]:
    cells = columns * r'<td class="number">([\d,]+)</td>'
    return re.findall(r'<tr><th scope="row">(\S+?)</th>' + cells, text)


async def test_who_joined_and_left_is_told_apart_by_cause(api: Api) -> None:
    await told(
        api,
        said("a", "enter", 0),
        said("b", "add", 0),
        said("a", "leave", 3 * DAY),
        said("c", "enter", 3 * DAY),
        said("c", "block", 3 * DAY + 5),
        said("d", "add", 40 * DAY),
    )
    async with visiting(api) as visitor:
        text = (await visitor.get("segments/1?chart=causes&range=all")).text
        days = (await visitor.get("segments/1?chart=causes&range=all&unit=week")).text
        # Any zone but UTC by that name is counted from the intervals.
        counted = (await visitor.get("segments/1?chart=causes&range=all&tz=Etc/UTC")).text
    assert table(counted, 4) == table(text, 4)
    assert table(text, 4) == [
        ("2026-02-01", "0", "1", "0", "0"),
        ("2026-01-01", "2", "1", "1", "1"),
    ]
    assert [row[0] for row in table(days, 4)] == ["2026-02-09", "2025-12-29"]
    assert text.count('class="lane add"') == 3  # the legend, and two bars


async def test_the_chart_counts_by_the_days_of_a_time_zone(api: Api) -> None:
    await told(api, said("a", "enter", 3600))
    async with visiting(api) as visitor:
        in_new_york = (await visitor.get("segments/1?range=all&tz=America/New_York")).text
        in_utc = (await visitor.get("segments/1?range=all")).text
    assert table(in_new_york, 3)[-1] == ("2025-12-01", "1", "1", "0")
    assert table(in_utc, 3)[-1] == ("2026-01-01", "1", "1", "0")
    assert "2025-12-31 20:00:00" in in_new_york
    assert "2026-01-01 01:00:00" in in_utc


async def test_the_links_of_a_page_keep_what_it_shows(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        text = (
            await visitor.get("segments/1?range=year&unit=day&tz=Europe/Berlin&list=overrides")
        ).text
    links = re.findall(r'id="(?:list|range|unit|chart)-\w+" href="([^"]+)"', text)
    assert len(links) == 13
    assert all("tz=Europe%2FBerlin" in link for link in links)
    assert sum("range=year" in link for link in links) == 11
    # What is the default of a range is no part of its links.
    assert not any("unit=day" in link for link in links if "range=year" not in link)


async def test_what_people_and_automation_disagree_on_is_listed(api: Api) -> None:
    await told(
        api,
        said("agrees", "enter", 0),
        said("pinned", "leave", 0),
        said("pinned", "add", 10),
        said("stays", "add", 0),
        said("stays", "leave", 10),
        said("stays", "reset", 20),
        said("kept out", "block", 0),
        said("kept out", "enter", 10),
        said("kept out", "reset", 20),
    )
    async with visiting(api) as visitor:
        text = (await visitor.get("segments/1?list=disagreements")).text
    users = re.findall(r'<th scope="row"><a [^>]*><bdi>([^<]+)</bdi>', text)
    assert sorted(users) == ["kept out", "stays"]


async def test_the_activity_says_where_commands_come_from_and_what_came_last(api: Api) -> None:
    await api.post({"user": "posted", "segment_id": 1, "user_status": "add"})
    await told(api, said("sent", "enter", 0))
    async with visiting(api) as visitor:
        text = (await visitor.get("segments/1?list=activity")).text
    assert re.findall(r'data-label="Source">(\w+)<.*?data-label="By"><bdi>([^<]+)<', text) == [
        ("kafka", "unsigned"), ("http", "test key"),
    ]  # fmt: skip
    assert re.findall(r'class="event \w+">\s*<p><a [^>]*><bdi>(\w+)<', text) == ["sent", "posted"]


async def test_members_are_shown_as_of_a_time_and_as_known_at_another(api: Api) -> None:
    await told(api, said("early", "enter", 0), said("early", "leave", 2 * DAY))
    known = await value(api.settings, "SELECT max(recorded_at) FROM segments.event")
    await told(api, said("late", "enter", 3600))
    async with visiting(api) as visitor:

        async def members(query: str) -> list[str]:
            text = (await visitor.get(f"segments/1?{query}")).text
            return sorted(re.findall(r'<th scope="row"><a [^>]*><bdi>([^<]+)</bdi>', text))

        assert await members("") == ["late"]
        assert await members("as_of=2026-01-01T12:00") == ["early", "late"]
        at = known.astimezone(UTC).isoformat().replace("+00:00", "Z")
        assert await members(f"as_of=2026-01-01T12:00&known_at={at}") == ["early"]
        # 19:30 in New York is half past midnight in UTC: before `late` came in.
        assert await members("as_of=2025-12-31T19:30&tz=America/New_York") == ["early"]
        assert (await visitor.get("segments/1?as_of=x")).status_code == 400
        assert (await visitor.get("segments/1?as_of=2026-01-01&list=overrides")).status_code == 400


async def test_lists_are_exported_whole_and_no_cell_is_a_formula(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PIECE", 2)
    formula = "=HYPERLINK(1)"
    await told(
        api,
        *(said(f"u{nth}", "add", nth, description=formula, reference_id="+1") for nth in range(5)),
        said("@bob", "block", 9),
    )
    async with visiting(api) as visitor:
        answer = await visitor.get("segments/1/export")
        members = list(csv.DictReader(io.StringIO(answer.text)))
        overrides = (await visitor.get("segments/1/export?list=overrides")).text
        assert (await visitor.get("segments/1/export?list=activity")).status_code == 400
    assert answer.headers["content-disposition"] == 'attachment; filename="segment-1-members.csv"'
    assert sorted(row["user_id"] for row in members) == [f"u{nth}" for nth in range(5)]
    assert {(row["description"], row["reference_id"]) for row in members} == {
        ("'" + formula, "'+1")
    }
    assert "'@bob" in [row["user_id"] for row in csv.DictReader(io.StringIO(overrides))]


def test_texts_that_a_spreadsheet_would_run_begin_with_an_apostrophe() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    row = {
        "a": "=1",
        "b": "-1",
        "c": "+1",
        "d": "@a",
        "e": "\t=1",
        "f": "a=1",
        "g": -1,
        "h": None,
        "i": at,
    }
    assert harmless(row) == row | {"a": "'=1", "b": "'-1", "c": "'+1", "d": "'@a", "e": "'\t=1"}
