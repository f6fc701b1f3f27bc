"""Members of a segment over HTTP: the rows of the views, in pages that lose nobody."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from projections.queries import members as reading_members
from projections.queries.members import COLUMNS
from service.registry import segments as registry
from service.registry.api_keys import Scope
from tests.http.client import api_running
from tests.http.reading import AT, MEMBERS, appended, get, pages, refused, walk
from tests.projections.folding import commands, fold
from tests.support.cases import cases
from tests.support.database import connected, rows
from tests.support.lane import command_json
from tests.support.proxy import database_proxy

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack
_AS_OF = """
SELECT user_id, override FROM reporting.membership_as_of($1, coalesce($2::timestamptz, 'infinity'), 'n', 1)
WHERE is_member ORDER BY 1
"""
OF_SEGMENT = "WHERE network_id = 'n' AND segment_id = 1"


def as_json(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give rows of the database as the API must show them, by user."""
    shown = [
        {name: json.loads(value) if name.endswith("metadata") and value else value for name, value in row.items()}
        for row in found
    ]  # fmt: skip
    decoded: list[dict[str, Any]] = json.loads(msgspec.json.encode(shown))
    return sorted(decoded, key=lambda row: row["user_id"])


def moment(seconds: float) -> str:
    return (datetime.fromtimestamp(AT, UTC) + timedelta(seconds=seconds)).isoformat()


async def test_members_are_the_rows_of_view_membership_however_they_are_paged(api: Api) -> None:
    async with appended(api.settings, *commands(seed=5, count=300, users=25)) as (lane,):
        await lane.append(
            command_json(
                user="Ärm@X.com", metadata={"a": [1.50, None, "ß"]}, description='say "hi"'
            ),
            command_json(user="of another network", network_id="m"),
        )
        await fold(api.settings)
    wanted = as_json(
        await rows(
            api.settings, f"SELECT {', '.join(COLUMNS)} FROM reporting.membership {OF_SEGMENT}"
        )
    )
    assert len(wanted) > 5
    for limit in (1, 3, 5000):
        found = await walk(api, MEMBERS, limit=limit)
        assert sorted(found, key=lambda row: row["user_id"]) == wanted
        assert [list(row) for row in found] == [list(row) for row in wanted]
    page = await get(api, MEMBERS)
    assert page["next"] is None
    assert "complete_until" in page


async def test_as_of_gives_the_members_of_membership_as_of_on_both_clocks(api: Api) -> None:
    chance = random.Random(3)  # noqa: S311 - the same each time
    known: list[datetime] = []
    history = commands(seed=9, count=240, users=12)
    async with appended(api.settings) as (lane,):
        for first in range(0, len(history), 40):
            await lane.append(*history[first : first + 40])
            (row,) = await rows(api.settings, "SELECT recorded_at FROM segments.lane")
            known.append(row["recorded_at"])
        await fold(api.settings)
    seen = set()
    for _ in range(25):
        at = datetime.fromtimestamp(AT + chance.randrange(-7200, 41 * 7200), UTC)
        known_at = chance.choice([None, *known])
        asked = {"as_of": at.isoformat()} | ({"known_at": known_at.isoformat()} if known_at else {})
        wanted = await rows(
            api.settings,
            _AS_OF,
            at, known_at,
        )  # fmt: skip
        found = await walk(api, MEMBERS, limit=2, **asked)
        assert sorted((row["user_id"], row["override"]) for row in found) == [
            (row["user_id"], row["override"]) for row in wanted
        ]
        seen.add(len(found))
    assert len(seen) > 3


async def test_as_of_the_end_of_time_says_of_each_member_what_is_said_now(api: Api) -> None:
    async with appended(api.settings, *commands(seed=2, count=200, users=20)):
        now = await walk(api, MEMBERS)
        assert now
        assert await walk(api, MEMBERS, as_of="9999-12-31T23:59:59Z") == now
        assert await walk(api, MEMBERS, known_at="9999-12-31T23:59:59Z", limit=3) == now


async def test_a_moment_is_rfc_3339_or_unix_seconds(api: Api) -> None:
    async with appended(api.settings, command_json(status_change_timestamp=AT)):
        for there in (
            AT,
            f"{AT}.0",
            "2023-11-14T22:13:20Z",
            "2023-11-14 23:13:20+01:00",
            "2023-11-14T22:13:20.5z",
        ):
            assert len((await get(api, MEMBERS, as_of=there))["members"]) == 1, there
        for before in (
            AT - 1,
            f"{AT - 1}.999999",
            "2023-11-14T22:13:19.9Z",
            "-5",
            "2023-11-14T22:13:20+00:01",
        ):
            assert (await get(api, MEMBERS, as_of=before))["members"] == [], before
        # An offset's + that was not escaped comes as a space.
        plus = await api.call("GET", f"{MEMBERS}?as_of=2023-11-14T23:13:20+01:00")
        assert len(plus.json()["members"]) == 1


async def test_who_stays_is_on_one_page_whoever_comes_and_goes_between_pages(api: Api) -> None:
    users = [f"user {number:02}" for number in range(40)]
    random.Random(1).shuffle(users)  # noqa: S311 - the same each time
    async with appended(api.settings, *(command_json(user=user) for user in users)) as (lane,):
        met: list[str] = []
        leaving = set(users[::4])
        number = 0
        async for page in pages(api, MEMBERS, limit=4):
            met += [row["user_id"] for row in page]
            number += 1
            await lane.append(
                *(command_json(user=user, user_status="block") for user in users[::4][number % 10 :: 10]),
                command_json(user=f"aaa {number}"), command_json(user=f"zzz {number}"),
            )  # fmt: skip
            if number < 12:
                await fold(api.settings)
    assert number >= 10
    assert len(met) == len(set(met))
    assert set(users) - leaving <= set(met)


async def test_a_cursor_keeps_to_its_question(api: Api) -> None:
    async with appended(api.settings, *(command_json(user=f"u{n}", status_change_timestamp=AT) for n in range(4)),
                        *(command_json(user=f"u{n}", segment_id=2) for n in range(4))):  # fmt: skip
        cursor = (await get(api, MEMBERS, limit=2, as_of=AT))["next"]
        assert (await get(api, MEMBERS, cursor=cursor))["next"] is None
        assert len((await get(api, MEMBERS, cursor=cursor, as_of=moment(0)))["members"]) == 2
        bad = (400, "invalid_field", ["/cursor"])
        assert await refused(api, MEMBERS, cursor=cursor, as_of=AT + 1) == bad
        assert await refused(api, MEMBERS, cursor=cursor, known_at=AT) == bad
        assert await refused(api, "/networks/n/segments/2/members", cursor=cursor) == bad
        assert await refused(api, "/networks/n/results", reference_id="r", cursor=cursor) == bad
        for place in range(len(cursor)):
            other = "A" if cursor[place] != "A" else "B"
            tampered = cursor[:place] + other + cursor[place + 1 :]
            assert await refused(api, MEMBERS, cursor=tampered) == bad
        for text in ("x", "ä", "a b", cursor + "A", cursor[:-4], "=" * 8):
            assert await refused(api, MEMBERS, cursor=text) == bad
        key = await api.key("m")
        other_network = await api.client.get(
            "/networks/m/segments/1/members",
            params={"cursor": cursor},
            headers={"Authorization": f"Bearer {key}"},
        )
        assert other_network.status_code == 400


async def test_a_page_ends_after_so_many_keys_even_without_a_member(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_members, "MOST_KEYS", 8)
    monkeypatch.setattr(reading_members, "MOST_FOLDED_KEYS", 8)
    blocked = [
        command_json(user=f"u{n:02}", user_status="block", status_change_timestamp=AT)
        for n in range(30)
    ]
    async with appended(
        api.settings, *blocked, command_json(user="u30", status_change_timestamp=AT)
    ):
        questions: list[dict[str, Any]] = [{}, {"as_of": AT}]
        for parameters in questions:
            sizes = [len(page) async for page in pages(api, MEMBERS, limit=2, **parameters)]
            assert sizes == [0, 0, 0, 1]


async def test_an_undefined_segment_is_404_and_an_archived_one_is_readable(api: Api) -> None:
    async with appended(api.settings, command_json()):
        async with connected(api.settings) as connection:
            await registry.set_archived(
                connection, network_id="n", segment_id=1, archived=True, actor="ann"
            )
        assert len((await get(api, MEMBERS))["members"]) == 1
    for path in (
        "/members",
        "/members/u",
        "/members?user=u",
        "/members/u/explanation",
        "/explanation?user=u",
    ):
        assert await refused(api, f"/networks/n/segments/99{path}") == (404, "unknown_segment", [])


async def test_a_key_of_another_network_or_scope_learns_nothing(api: Api) -> None:
    paths = (
        "/networks/n/segments/{}/members",
        "/networks/n/segments/{}/members/u",
        "/networks/n/segments/{}/members/u/explanation",
        "/networks/n/segments/{}/explanation?user=u",
        "/networks/n/users/u/segments?nonsense={}",
        "/networks/n/users/segments?user=u&nonsense={}",
        "/networks/n/sizes?{}",
        "/networks/n/results?position={}",
    )
    for path in paths:
        told = set()
        for number in ("1", "99", "nonsense"):
            alien = await api.call("GET", path.format(number), network="m")
            told.add((alien.status_code, alien.text))
        assert len(told) == 1
        assert told.pop()[0] == 403
        assert (await api.client.get(path.format(1))).status_code == 401
        admin = await api.call("GET", path.format(1), Scope.ADMIN)
        assert admin.status_code == 403
        publisher = await api.call("GET", path.format(1), Scope.PUBLISH)
        assert publisher.status_code == (400 if "results" in path else 403)


@cases(
    ("path", "wrong"),
    [
        (f"{MEMBERS}?limit=0", "/limit"),
        (f"{MEMBERS}?limit=5001", "/limit"),
        (f"{MEMBERS}?limit=x", "/limit"),
        (f"{MEMBERS}?limit=1.0", "/limit"),
        (f"{MEMBERS}?limit=%2B1", "/limit"),
        (f"{MEMBERS}?limit=01", "/limit"),
        (f"{MEMBERS}?limit=1_0", "/limit"),
        (f"{MEMBERS}?limit=", "/limit"),
        (f"{MEMBERS}?asof=1", "/asof"),
        (f"{MEMBERS}?as_of=yesterday", "/as_of"),
        (f"{MEMBERS}?as_of=2026-01-01", "/as_of"),
        (f"{MEMBERS}?as_of=2026-01-01T00:00:00", "/as_of"),
        (f"{MEMBERS}?as_of=0001-01-01T00:00:00%2B10:00", "/as_of"),
        (f"{MEMBERS}?as_of=999999999999", "/as_of"),
        (f"{MEMBERS}?known_at=2026-13-01T00:00:00Z", "/known_at"),
        (f"{MEMBERS}?user=", "/user"),
        (f"{MEMBERS}?user=u&limit=3", "/user"),
        (f"{MEMBERS}?user=%00", "/user"),
        (f"{MEMBERS}/%00", "/user"),
        (f"{MEMBERS}/{'x' * 321}", "/user"),
        (f"{MEMBERS}/u?limit=3", "/limit"),
        ("/networks/n/segments/0/members", "/segment_id"),
        ("/networks/n/segments/2147483648/members", "/segment_id"),
        ("/networks/n/segments/one/members", "/segment_id"),
        ("/networks/n/users/segments", "/user"),
        ("/networks/n/segments/1/explanation", "/user"),
        ("/networks/n/results", "/reference_id"),
        ("/networks/n/results?reference_id=r&position=t:0:1", "/reference_id"),
        ("/networks/n/results?reference_id=", "/reference_id"),
        ("/networks/n/results?reference_id=%00", "/reference_id"),
        ("/networks/n/results?position=t:0", "/position"),
        ("/networks/n/results?position=t:0:0:0:0", "/position"),
        ("/networks/n/results?position=t:-1:0", "/position"),
        ("/networks/n/results?position=t:2147483648:0", "/position"),
        ("/networks/n/results?position=t:0:9223372036854775808", "/position"),
        ("/networks/n/results?reference_id=r&limit=1001", "/limit"),
        ("/networks/n/results?reference_id=r&limit=1.0", "/limit"),
        ("/networks/n/results?reference_id=r&limit=-0", "/limit"),
    ],
)  # fmt: skip
async def test_a_wrong_parameter_is_400_and_named(api: Api, path: str, wrong: str) -> None:
    assert await refused(api, path) == (400, "invalid_field", [wrong])


async def test_without_a_database_reading_is_503(ready: Settings) -> None:
    async with database_proxy(ready) as (proxy, through), api_running(through) as api:
        paths = (MEMBERS, f"{MEMBERS}/u", "/networks/n/users/u/segments", "/networks/n/sizes",
                 "/networks/n/results?reference_id=r", "/networks/n/results?position=t:0:0")  # fmt: skip
        await get(api, MEMBERS)
        proxy.refuse()
        for path in paths:
            for accept in ("application/json", "text/csv, */*;q=0.1"):
                response = await api.call("GET", path, headers={"Accept": accept})
                assert (response.status_code, response.json()["reason"]) == (503, "database_away")
                assert "retry-after" in response.headers
