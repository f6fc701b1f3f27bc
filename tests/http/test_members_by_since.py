"""The members of a segment in the order in which they became members, from either end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.http.reading import AT, MEMBERS, appended, get, pages, refused, walk
from tests.projections.folding import commands, fold
from tests.support.lane import command_json

if TYPE_CHECKING:
    from tests.http.client import Api

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("sort", ["since", "-since"])
async def test_members_come_by_since_each_once_however_they_are_paged(api: Api, sort: str) -> None:
    """Many of them became members in the same second."""
    joined_at_once = [
        command_json(user=f"v{number}", status_change_timestamp=AT) for number in range(20)
    ]
    async with appended(api.settings, *commands(seed=5, count=300, users=25), *joined_at_once):
        wanted = await walk(api, MEMBERS)
        assert len(wanted) > 25
        for limit in (1, 7, 5000):
            found = await walk(api, MEMBERS, sort=sort, limit=limit)
            times = [row["since"] for row in found]
            assert times == sorted(times, reverse=sort == "-since")
            assert sorted(found, key=str) == sorted(wanted, key=str)
            assert [list(row) for row in found] == [list(row) for row in wanted]


async def test_the_newest_members_are_the_first_page_backwards(api: Api) -> None:
    said = [
        command_json(user=f"u{number}", status_change_timestamp=AT + number) for number in range(9)
    ]
    async with appended(api.settings, *said):
        page = await get(api, MEMBERS, sort="-since", limit=5)
    assert [row["user_id"] for row in page["members"]] == ["u8", "u7", "u6", "u5", "u4"]


async def test_who_joins_during_the_listing_is_met_at_the_end_and_who_left_is_not(api: Api) -> None:
    said = [
        command_json(user=f"u{number}", status_change_timestamp=AT + number) for number in range(6)
    ]
    met: list[str] = []
    async with appended(api.settings, *said) as (lane,):
        async for page in pages(api, MEMBERS, sort="since", limit=2):
            met += [row["user_id"] for row in page]
            if len(met) == 2:
                await lane.append(
                    command_json(user="u4", user_status="block", status_change_timestamp=AT + 50),
                    command_json(user="new", status_change_timestamp=AT + 60),
                )
                await fold(api.settings)
    assert met == ["u0", "u1", "u2", "u3", "u5", "new"]


async def test_a_page_ends_early_where_it_grows_large_and_goes_on_there(api: Api) -> None:
    said = [
        command_json(
            user=f"u{number:03}", status_change_timestamp=AT, metadata={"text": "x" * 16_000}
        )
        for number in range(150)
    ]
    async with appended(api.settings, *said):
        sizes = [len(page) async for page in pages(api, MEMBERS, sort="since", limit=5000)]
    assert len(sizes) > 1
    assert sum(sizes) == 150


async def test_a_cursor_keeps_to_its_order(api: Api) -> None:
    async with appended(api.settings, *(command_json(user=f"u{n}") for n in range(4))):
        cursor = (await get(api, MEMBERS, sort="since", limit=2))["next"]
        assert (await get(api, MEMBERS, cursor=cursor))["next"] is None
        assert (await get(api, MEMBERS, cursor=cursor, sort="since"))["next"] is None
        by_person = (await get(api, MEMBERS, limit=2))["next"]
        bad = (400, "invalid_field", ["/cursor"])
        assert await refused(api, MEMBERS, cursor=cursor, sort="-since") == bad
        assert await refused(api, MEMBERS, cursor=cursor, as_of=AT) == bad
        assert await refused(api, MEMBERS, cursor=by_person, sort="since") == bad


async def test_only_pages_of_the_present_members_are_sorted(api: Api) -> None:
    async with appended(api.settings, *(command_json(user=f"u{n}") for n in range(4))):
        bad = (400, "invalid_field", ["/sort"])
        cursor = (await get(api, MEMBERS, sort="since", limit=2))["next"]
        assert await refused(api, MEMBERS, sort="user_id") == bad
        assert await refused(api, MEMBERS, sort="since", as_of=AT) == bad
        assert await refused(api, MEMBERS, sort="since", known_at=AT) == bad
        assert await refused(api, MEMBERS, sort="since", user="u") == (
            400,
            "invalid_field",
            ["/user"],
        )
        for asked in ({"sort": "since"}, {"cursor": cursor}):
            answer = await api.call("GET", MEMBERS, params=asked, headers={"Accept": "text/csv"})
            assert answer.status_code == 400
            assert answer.json()["errors"][0]["pointer"] == "/sort"
