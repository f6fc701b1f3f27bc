"""Pages are bounded by what they hold, and a number is answered as it was sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from projections.http import members
from projections.queries import rows as reading_rows
from tests.http.reading import AT, MEMBERS, appended, get, walk
from tests.projections.folding import fold
from tests.support.database import value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from tests.http.client import Api

pytestmark = pytest.mark.stack
NUMBERS = "1e308", "1.10", "-0.0", "100E-2", "12345678901234567890123", "0.10000000000000000001"
LONG = "[" + ",".join(["1e308"] * 2_700) + "]"  # 16 KB; Postgres would print 843 KB


def with_metadata(text: str, **fields: Any) -> bytes:
    """Give a command whose metadata stands as it is written."""
    whole = command_json(status_change_timestamp=AT, **fields)
    return whole[:-1] + b', "metadata": ' + text.encode() + b"}"


async def test_a_number_is_answered_as_it_was_sent(api: Api) -> None:
    text = '{"n": [' + ", ".join(NUMBERS) + '], "reference_id": "r"}'
    async with appended(api.settings, with_metadata('{"n": [' + ",".join(NUMBERS) + "]}", user="a"),
                        with_metadata(text, user="b")):  # fmt: skip
        pages = [
            await api.call("GET", path, headers={"Accept": accept})
            for path, accept in (
                (MEMBERS, "application/json"),
                (MEMBERS, "application/x-ndjson"),
                (f"{MEMBERS}/a", "application/json"),
                ("/networks/n/users/b/segments", "application/json"),
            )
        ]
        csv = await api.call("GET", MEMBERS, headers={"Accept": "text/csv"})
        for page in pages:
            assert ",".join(NUMBERS) in page.text.replace(", ", ","), page.text
        assert ",".join(NUMBERS) in csv.text
        count = "SELECT count(*) FROM reporting.membership WHERE (metadata -> 'n' -> 0)::numeric = 1e308"
        assert await value(api.settings, count) == 2


async def test_a_page_ends_early_once_it_holds_much(api: Api) -> None:
    sent = [with_metadata('{"n":' + LONG + "}", user=f"u{number}") for number in range(200)]
    async with appended(api.settings, *sent):
        found: list[str] = []
        parameters: dict[str, Any] = {"limit": 5000}
        while True:
            response = await api.call("GET", MEMBERS, params=parameters)
            assert len(response.content) < 1.2 * 1024 * 1024
            page = response.json()
            found += [row["user_id"] for row in page["members"]]
            if page["next"] is None:
                break
            parameters["cursor"] = page["next"]
        assert sorted(found) == sorted(f"u{number}" for number in range(200))
        lines = await api.call("GET", MEMBERS, headers={"Accept": "application/x-ndjson"})
        assert len(lines.content) < sum(map(len, sent)) * 1.2
        assert [json.loads(line)["user_id"] for line in lines.text.splitlines()] == found


async def test_a_users_segments_and_events_come_in_pages_of_so_much(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with appended(api.settings, command_json(segment_id=2)) as (lane,):
        await lane.append(*(
            command_json(status_change_timestamp=AT + number, reference_id=f"{number}", description="x" * 100)
            for number in range(30)
        ))  # fmt: skip
        await fold(api.settings)
        segments = "/networks/n/users/u/segments"
        whole = await get(api, segments), await get(api, f"{MEMBERS}/u/explanation")
        assert (whole[0]["next"], whole[1]["next"]) == (None, None)
        assert (len(whole[0]["segments"]), len(whole[1]["events"])) == (2, 30)
        newest = await get(api, f"{MEMBERS}/u/explanation", limit=4)
        assert newest["events"] == whole[1]["events"][-4:]
        earlier = await get(api, f"{MEMBERS}/u/explanation", limit=4, cursor=newest["next"])
        assert earlier["events"] == whole[1]["events"][-8:-4]
        monkeypatch.setattr(reading_rows, "PAGE_BYTES", 100)  # one row, come what may
        assert await walk(api, segments, "segments") == whole[0]["segments"]
        events = await walk(api, f"{MEMBERS}/u/explanation", "events")
        assert events == whole[1]["events"][::-1]
        assert [row["user_id"] for row in await walk(api, MEMBERS)] == ["u"]
        for path in (f"{MEMBERS}/other/explanation", "/networks/n/users/other/segments"):
            response = await api.call("GET", path, params={"cursor": newest["next"]})
            assert (response.status_code, response.json()["reason"]) == (400, "invalid_field")


@pytest.mark.parametrize("most_bytes", [1, 300, 2**20])
@pytest.mark.parametrize("piece", [1, 3, 1000])
async def test_no_row_is_lost_or_told_twice_where_pages_and_pieces_end(
    api: Api, monkeypatch: pytest.MonkeyPatch, most_bytes: int, piece: int
) -> None:
    """Not even where those between are no members, and a border of the rows that are read at once lies there."""
    sent = [
        command_json(user=f"u{number}", user_status="block" if number % 5 in (0, 1) else "add",
             status_change_timestamp=AT, metadata={"n": "x" * (number % 7 * 30)})
        for number in range(200)
    ]  # fmt: skip
    async with appended(api.settings, *sent):
        whole = (await get(api, MEMBERS, limit=1000))["members"]
        wanted = sorted(f"u{number}" for number in range(200) if number % 5 not in (0, 1))
        assert sorted(row["user_id"] for row in whole) == wanted
        monkeypatch.setattr(reading_rows, "PAGE_BYTES", most_bytes)
        monkeypatch.setattr(members, "PIECE", piece)
        for parameters in ({}, {"as_of": AT}, {"limit": 64}, {"limit": 65}):
            lines = await api.call(
                "GET",
                MEMBERS,
                headers={"Accept": "application/x-ndjson"},
                params=parameters or None,
            )
            found = [json.loads(line) for line in lines.text.splitlines()]
            assert found == whole[: parameters.get("limit", len(whole))]
        for limit in (1, 64, 1000):
            assert await walk(api, MEMBERS, limit=limit) == whole
