"""One user over HTTP: in a segment, in all of them, and why; and the sizes of segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from projections.queries.explain import explain
from tests.http.reading import AT, MEMBERS, appended, get, refused
from tests.http.test_members import as_json
from tests.log.test_signed_headers import signed
from tests.projections.folding import commands, fold
from tests.support.cases import cases
from tests.support.database import connected, rows
from tests.support.lane import command_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.http.client import Api

pytestmark = pytest.mark.stack
SEGMENTS = "/networks/n/users/{}/segments"
OF_THE_STATEMENT = ("reference_id", "description", "metadata", "event_id", "source", "actor")


async def test_a_users_segments_are_the_rows_of_user_segment_and_why(api: Api) -> None:
    async with appended(api.settings, *commands(seed=4, count=200, users=8)):
        for number in range(8):
            user = f"u{number}"
            found = (await get(api, SEGMENTS.format(user)))["segments"]
            assert [row["segment_id"] for row in found] == sorted(
                row["segment_id"] for row in found
            )
            for view, keep in (
                ("user_segment", bool),
                ("membership", lambda row: row["is_member"]),
            ):
                wanted = as_json(
                    await rows(
                        api.settings,
                        f"SELECT * FROM reporting.{view} WHERE user_id = $1 ORDER BY segment_id",
                        user,
                    )
                )
                assert wanted == [
                    {name: row[name] for name in expected}
                    for row, expected in zip(filter(keep, found), wanted, strict=True)
                ]
            overrides = as_json(
                await rows(
                    api.settings,
                    f"SELECT segment_id, user_id, override, since, expires_at, {', '.join(OF_THE_STATEMENT)}"
                    " FROM reporting.override WHERE user_id = $1 ORDER BY segment_id",
                    user,
                )
            )
            assert overrides == [
                {
                    "segment_id": row["segment_id"], "user_id": user, "override": row["override"],
                    "since": row["override_since"], "expires_at": row["expires_at"],
                    **{name: row[f"override_{name}"] for name in OF_THE_STATEMENT},
                }
                for row in found if row["override"]
            ]  # fmt: skip
            for row in found:
                one = await get(api, f"/networks/n/segments/{row['segment_id']}/members/{user}")
                assert one["state"] == row
                assert len(one["members"]) == row["is_member"]


async def test_rows_name_the_events_and_who_sent_them(api: Api) -> None:
    async with appended(api.settings, command_json(user_status="enter")) as (lane,):
        await lane.append(signed(lane, command_json(), source="cli", actor="ben"))
        await fold(api.settings)
        entered, added = await rows(
            api.settings, "SELECT event_id FROM reporting.event ORDER BY kafka_offset"
        )
        (member,) = (await get(api, MEMBERS))["members"]
        (newest,) = (await get(api, MEMBERS, sort="-since"))["members"]
        (state,) = (await get(api, SEGMENTS.format("u")))["segments"]
    assert newest == member
    for row, prefix, event, source, actor in (
        (member, "", entered, "kafka", None),
        (state, "", entered, "kafka", None),
        (state, "override_", added, "cli", "ben"),
    ):
        found = [row[f"{prefix}{name}"] for name in ("event_id", "source", "actor")]
        assert found == [str(event["event_id"]), source, actor]


async def test_a_pinned_member_keeps_why_they_came_and_a_block_says_why_they_are_out(
    api: Api,
) -> None:
    async with appended(
        api.settings,
        command_json(user_status="enter", reference_id="rule", status_change_timestamp=AT),
        command_json(reference_id="pin", status_change_timestamp=AT + 1, expires_at=4_000_000_000,
                     metadata={"n": 1.10}),
        command_json(segment_id=2, user_status="block", reference_id="out", description="why",
                     status_change_timestamp=AT),
    ):  # fmt: skip
        pinned, blocked = (await get(api, SEGMENTS.format("u")))["segments"]
    assert (pinned["is_member"], pinned["cause"], pinned["reference_id"]) == (True, "enter", "rule")
    assert (pinned["override"], pinned["override_reference_id"]) == ("add", "pin")
    assert (pinned["override_metadata"], pinned["expires_at"]) == (
        {"n": 1.1},
        "2096-10-02T07:06:40Z",
    )
    assert (pinned["since"], pinned["automation_says"]) == ("2023-11-14T22:13:20Z", "enter")
    assert (blocked["is_member"], blocked["cause"], blocked["reference_id"]) == (
        False,
        "block",
        "out",
    )
    assert (blocked["description"], blocked["since"]) == ("why", "2023-11-14T22:13:20Z")


async def test_one_user_is_told_as_of_both_clocks(api: Api) -> None:
    async with appended(
        api.settings, command_json(user="A@x", user_status="enter", status_change_timestamp=AT)
    ) as (lane,):
        (row,) = await rows(api.settings, "SELECT recorded_at FROM segments.lane")
        known = row["recorded_at"].isoformat()
        await lane.append(
            command_json(user="a@x", user_status="block", status_change_timestamp=AT + 5)
        )
        await fold(api.settings)
        for path in (f"{MEMBERS}/a%40X", f"{MEMBERS}?user=a%40x"):
            more = "&" if "?" in path else "?"
            assert (await get(api, path))["members"] == []
            then = await get(api, f"{path}{more}as_of={AT + 4}")
            assert (len(then["members"]), then["state"]["override"]) == (1, None)
            late = await get(api, f"{path}{more}as_of={AT + 5}")
            assert (late["members"], late["state"]["override"]) == ([], "block")
            unaware = await get(api, f"{path}{more}as_of={AT + 5}&known_at={quote(known)}")
            assert unaware["members"] == then["members"]
            never = await refused(api, f"{path}{more}as_of={AT - 1}")
            assert never == (404, "unknown_user", [])
        assert (await get(api, SEGMENTS.format("a@x"), as_of=AT - 1))["segments"] == []


USERS = [
    "a/b", "a%2Fb", "50%", "a b+c&d=e?f#g", "straße", "日本語", "x" * 320, "explanation", "x/explanation",
    "x/segments", "segments", "..", "a\nb", "a\n", '"quoted"', "=1+1", "Jo@X.com", " joe@x.com ", "İ@x.com", "-",
    "\\", ",", "\u00e9", "e\u0301",
]  # fmt: skip


@pytest.fixture
async def named(api: Api) -> AsyncIterator[Api]:
    """The API, with each user of USERS in segment 1, and others with similar names."""
    names = [*USERS, "another", *(f"{user}x" for user in USERS if len(user) < 320)]
    async with appended(api.settings, *(command_json(user=name) for name in names)):
        yield api


@cases("user", USERS)
async def test_any_identifier_finds_its_user_in_the_query_and_escaped_in_the_path(
    named: Api, user: str
) -> None:
    for answer in (
        await get(named, MEMBERS, user=user),
        await get(named, f"{MEMBERS}/-", user=user),
        *([await get(named, f"{MEMBERS}/{quote(user, safe='')}")] if _fits_a_path(user) else []),
    ):
        (row,) = await rows(
            named.settings,
            "SELECT user_id FROM reporting.membership WHERE user_id = reporting.normalise_user($1)",
            user,
        )
        assert answer["state"]["user_id"] == row["user_id"]
    assert len((await get(named, "/networks/n/users/segments", user=user))["segments"]) == 1
    assert len((await get(named, SEGMENTS.format("-"), user=user))["segments"]) == 1
    escaped = quote(user, safe="")
    if user != "..":
        assert len((await get(named, SEGMENTS.format(escaped)))["segments"]) == 1
        explained = await get(named, f"{MEMBERS}/{escaped}/explanation")
        assert len(explained["events"]) == 1
    explained = await get(named, "/networks/n/segments/1/explanation", user=user)
    assert len(explained["events"]) == 1


def _fits_a_path(user: str) -> bool:
    """Whether the path of one member can hold it: not what a client resolves, nor what names another route."""
    return user != ".." and not user.endswith("/explanation")


@pytest.fixture
async def replaced(api: Api) -> AsyncIterator[Api]:
    """The API, with users whose names have U+FFFD, which decoders put in place of bytes that are not UTF-8."""
    async with appended(api.settings, command_json(user="\ufffd"), command_json(user="a\ufffd")):
        yield api


@cases("bytes_", ["%FF", "%ED", "a%C3", "%ED%A0%80", "%C0%AF", "%EF%BF%BD%FF"])
async def test_what_is_not_utf8_is_no_user_rather_than_a_user_of_question_marks(
    replaced: Api, bytes_: str
) -> None:
    wrong = (400, "invalid_field", ["/user"])
    for path in (
        SEGMENTS.format(bytes_), f"{MEMBERS}/{bytes_}", f"{MEMBERS}/{bytes_}/explanation",
        f"{MEMBERS}?user={bytes_}", f"{MEMBERS}/u?user={bytes_}", f"/networks/n/users/segments?user={bytes_}",
        f"/networks/n/segments/1/explanation?user={bytes_}",
    ):  # fmt: skip
        assert await refused(replaced, path) == wrong, path
    results = await refused(replaced, f"/networks/n/results?reference_id={bytes_}")
    assert results == (400, "invalid_field", ["/reference_id"])
    assert (await replaced.call("GET", f"/networks/{bytes_}/sizes")).status_code == 403
    # U+FFFD itself is a character as any other.
    assert len((await get(replaced, SEGMENTS.format("%EF%BF%BD")))["segments"]) == 1
    assert len((await get(replaced, MEMBERS, user="\ufffd"))["members"]) == 1


async def test_who_was_never_seen_is_404_in_a_segment_and_has_no_segments(api: Api) -> None:
    async with appended(
        api.settings, command_json(segment_id=2), command_json(user="v", network_id="m")
    ):
        for user in ("nobody", "u", "v"):
            response = await api.call("GET", f"{MEMBERS}/{user}")
            assert (response.status_code, response.json()["reason"]) == (404, "unknown_user")
            assert "complete_until" in response.json()
            assert await refused(api, f"{MEMBERS}/{user}/explanation") == (404, "unknown_user", [])
            slash = await api.call("GET", f"{MEMBERS}/{user}/")
            assert slash.json()["detail"].endswith("; the trailing slash is part of the user")
        for user in ("nobody", "v"):
            assert (await get(api, SEGMENTS.format(user)))["segments"] == []


async def test_an_erased_person_is_found_by_the_name_that_the_views_show(api: Api) -> None:
    async with appended(api.settings, command_json(user="anna@x.com", description="private")):
        async with connected(api.settings) as connection:
            number = await connection.fetchval(
                "SELECT segments.erase_person('n', 'anna@x.com', 'officer', 'she asked')"
            )
        assert await refused(api, f"{MEMBERS}/anna@x.com") == (404, "unknown_user", [])
        (row,) = (await get(api, f"{MEMBERS}/erased:{number}"))["members"]
        assert (row["user_id"], row["description"]) == (f"erased:{number}", None)


async def test_an_explanation_says_until_when_the_override_stands(api: Api) -> None:
    until = command_json(status_change_timestamp=AT, expires_at=AT + 60)
    async with appended(api.settings, until, command_json(user="v", status_change_timestamp=AT)):
        kept = (await get(api, f"{MEMBERS}/u/explanation"))["now"]
        assert (list(kept)[-1], kept["expires_at"]) == ("expires_at", "2023-11-14T22:14:20Z")
        assert (await get(api, f"{MEMBERS}/v/explanation"))["now"]["expires_at"] is None


async def test_an_explanation_is_that_of_the_command_line(api: Api) -> None:
    async with appended(api.settings, *commands(seed=6, count=60, users=2)):
        found = await get(api, f"{MEMBERS}/u1/explanation")
        async with connected(api.settings) as connection, connection.transaction():
            wanted = await explain(connection, "n", 1, "u1")
    assert len(found["events"]) > 5
    assert found["events"] == _shown(wanted["events"])
    assert [found["now"]] == _shown([wanted["now"]])


def _shown(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "user_id" or v is not None}
            for row in _decoded(found)]  # fmt: skip


def _decoded(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [as_json([row | {"user_id": row.get("user_id")}])[0] for row in found]


async def test_sizes_are_those_of_view_segment_size(api: Api) -> None:
    async with appended(
        api.settings, *commands(seed=8, count=100, users=9), command_json(network_id="m")
    ):
        found = await get(api, "/networks/n/sizes")
        wanted = await rows(
            api.settings, "SELECT * FROM reporting.segment_size WHERE network_id = 'n' ORDER BY segment_id"
        )  # fmt: skip
        for query in ("as_of=2026-01-01T00:00:00Z", "x=1"):
            refused = await api.call("GET", f"/networks/n/sizes?{query}")
            assert (refused.status_code, refused.json()["reason"]) == (400, "invalid_field")
        twice = await api.call("GET", "/networks/n/users/u/segments?as_of=1&as_of=2")
        assert (twice.status_code, twice.json()["errors"][0]["pointer"]) == (400, "/as_of")
    assert found["sizes"] == wanted
    assert "complete_until" in found


async def test_a_user_of_white_space_alone_is_nobody_to_ask_for(api: Api) -> None:
    for path in (SEGMENTS.format("%20"), f"{MEMBERS}/%E3%80%80%09", f"{MEMBERS}?user=%C2%A0"):
        response = await api.call("GET", path)
        assert (response.status_code, response.json()["reason"]) == (400, "invalid_field"), path
        assert response.json()["errors"][0]["pointer"] == "/user"
        assert "only white space" in response.json()["errors"][0]["detail"]
