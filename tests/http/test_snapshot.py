"""Every read names the snapshot of its rows, and `snapshot=` shows it again, whatever arrived later."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from projections.http import members as member_routes
from projections.queries import members as reading_members
from tests.http.reading import AT, MEMBERS, appended, get, refused, walk
from tests.projections.folding import commands, fold
from tests.support.database import value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from tests.http.client import Api

pytestmark = pytest.mark.stack
HEADER = "Segments-Snapshot"
READS = (
    MEMBERS,
    f"{MEMBERS}/u1",
    f"{MEMBERS}/u1/explanation",
    "/networks/n/users/u1/segments",
    "/networks/n/sizes",
    "/networks/n/results?reference_id=r1",
)


async def token_of(api: Api, path: str, accept: str = "application/json") -> str:
    response = await api.call("GET", path, headers={"Accept": accept})
    assert response.status_code == 200, response.text
    return str(response.headers[HEADER])


async def test_every_read_names_the_same_snapshot_until_something_is_projected(api: Api) -> None:
    async with appended(api.settings, *commands(seed=5, count=60)) as (lane,):
        tokens = {await token_of(api, path) for path in READS}
        tokens |= {await token_of(api, path, "text/csv") for path in (MEMBERS, "/networks/n/sizes")}
        nobody = await api.call("GET", f"{MEMBERS}/nobody")
        tokens.add(nobody.headers[HEADER])
        (first,) = tokens
        await lane.append(command_json(user="v"))
        await fold(api.settings)
        assert await token_of(api, READS[0]) != first
        networks = await value(
            api.settings, "SELECT networks FROM projections.read_snapshot($1)", first
        )
        assert networks == ["n"]


async def test_a_snapshot_shows_what_was_shown_in_every_column(api: Api) -> None:
    batches = commands(seed=8, count=200, users=12)
    shown: list[tuple[str, Any, Any, Any]] = []

    async def read(**parameters: Any) -> tuple[Any, Any, Any]:
        members = await walk(api, MEMBERS, limit=3, **parameters)
        earlier = await walk(api, MEMBERS, as_of=AT + 150_000, **parameters)
        users = [
            (await get(api, f"/networks/n/users/u{n}/segments", **parameters))["segments"]
            for n in range(12)
        ]
        return members, earlier, users

    async with appended(api.settings) as (lane,):
        for first in range(0, 200, 40):
            await lane.append(*batches[first : first + 40])
            await fold(api.settings)
            shown.append((await token_of(api, MEMBERS), *await read()))
    assert len({token for token, *_ in shown}) == 5
    for token, *rows in shown:
        assert list(await read(snapshot=token)) == rows
        response = await api.call("GET", MEMBERS, params={"snapshot": token})
        assert response.headers[HEADER] == token


async def test_all_pieces_of_a_stream_are_of_its_snapshot(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members leave between two pieces, and are in the stream all the same."""
    monkeypatch.setattr(member_routes, "PIECE", 5)
    read_page = reading_members.read_page
    users = [f"u{n:02}" for n in range(30)]
    async with appended(api.settings, *(command_json(user=user) for user in users)) as (lane,):

        async def leaving(*arguments: Any, **named: Any) -> Any:
            page = await read_page(*arguments, **named)
            gone = users[-1 - lane.next_offset % 30]
            await lane.append(command_json(user=gone, user_status="block"))
            await fold(api.settings)
            return page

        monkeypatch.setattr(member_routes, "read_page", leaving)
        response = await api.call("GET", MEMBERS, headers={"Accept": "text/csv"})
    listed = [row["user_id"] for row in csv.DictReader(io.StringIO(response.text))]
    assert listed == users
    assert lane.next_offset > 33


async def test_a_token_that_does_not_fit_is_named(api: Api) -> None:
    bad = (400, "invalid_field", ["/snapshot"])
    async with appended(api.settings, command_json(), command_json(network_id="m")):
        token = await token_of(api, MEMBERS)
        for path in (MEMBERS, f"{MEMBERS}/u", "/networks/n/users/u/segments"):
            assert await refused(api, path, snapshot=token[:-2]) == bad
            assert await refused(api, path, snapshot=token, known_at=AT) == bad
        page = await get(api, MEMBERS, limit=1, snapshot=token)
        assert page["members"]
        of_m = await value(api.settings, "SELECT projections.make_snapshot(ARRAY['m'])")
        assert await refused(api, MEMBERS, snapshot=of_m) == bad
        every = await value(api.settings, "SELECT reporting.snapshot()")
        assert (await get(api, MEMBERS, snapshot=every))["members"] == page["members"]
