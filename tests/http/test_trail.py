"""The audit trail over HTTP: filters, pages, formats, scopes, networks apart, and that reading it is recorded."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from projections.http import listing
from service.registry.api_keys import Scope
from tests.http.reading import get, refused, walk
from tests.support.cases import cases
from tests.support.command_line import run
from tests.support.database import make_segments, rows
from tests.support.waiting import holds

if TYPE_CHECKING:
    from tests.http.client import Api

pytestmark = pytest.mark.stack
EVENTS, ACCESSES = "/networks/n/admin/events", "/networks/n/admin/accesses"
BOTH = (EVENTS, ACCESSES)


async def rename(api: Api, name: str) -> None:
    answer = await api.call("PATCH", "/networks/n/admin/segments/1", json={"name": name})
    assert answer.status_code == 200


async def test_a_change_is_listed_with_what_it_was_before(api: Api) -> None:
    await rename(api, "Renamed")
    body = await get(api, EVENTS, kind="segment")
    newest = body["events"][0]
    assert (newest["change"], newest["object"], newest["actor"]) == ("edited", "1", "test key")
    assert (newest["before"]["name"], newest["after"]["name"]) == ("segment 1", "Renamed")
    assert "complete_until" in body


async def test_the_trail_is_filtered(api: Api) -> None:
    await rename(api, "Renamed")

    async def changes(**which: str) -> list[str]:
        return [row["change"] for row in (await get(api, EVENTS, **which))["events"]]

    assert await changes(kind="segment", actor="TEST") == ["edited"]
    assert await changes(object="1") == ["edited", "created"]
    assert await changes(object="2") == []
    assert await changes(since="2100-01-01T00:00:00Z") == []
    assert await changes(until="2001-01-01T00:00:00Z") == []


async def test_pages_and_streams_have_every_row_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PIECE", 2)
    for nth in range(4):
        await rename(api, f"name {nth}")
    expected = [
        (row["kind"], row["object"], row["change"])
        for row in await rows(
            api.settings,
            "SELECT kind, object, change FROM reporting.admin_event WHERE network_id = 'n' AND kind = 'segment'"
            " ORDER BY happened_at DESC, kind DESC, number DESC",
        )
    ]
    assert len(expected) == 5

    def names(found: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
        return [(row["kind"], row["object"], row["change"]) for row in found]

    assert names(await walk(api, EVENTS, "events", limit="2", kind="segment")) == expected
    path = f"{EVENTS}?kind=segment"
    lines = await api.call("GET", path, headers={"Accept": "application/x-ndjson"})
    assert names([json.loads(line) for line in lines.text.splitlines()]) == expected
    table = await api.call("GET", path + "&limit=3", headers={"Accept": "text/csv"})
    found = list(csv.DictReader(table.text.splitlines()))
    assert names(found) == expected[:3]
    assert json.loads(found[0]["after"])["name"] == "name 3"


async def test_who_read_what_is_listed_and_reading_the_list_is_a_read(api: Api) -> None:
    await api.call("GET", "/networks/n/users/U%40x.org/segments")
    await run(api.settings, "explain", "--network", "n", "--segment", "1", "--user", "u")

    async def are_there() -> bool:
        found = (await get(api, ACCESSES))["accesses"]
        return {
            ("http", "/networks/{network_id}/users/{user}/segments"),
            ("command", "explain"),
            ("http", "/networks/{network_id}/admin/accesses"),
        } <= {(row["via"], row["route"]) for row in found}

    await holds(are_there)
    found = (await get(api, ACCESSES, via="command"))["accesses"]
    assert {row["route"] for row in found} == {"explain"}
    assert (await get(api, ACCESSES, object="7"))["accesses"] == []


@cases("path", BOTH)
async def test_it_takes_scope_admin_in_the_network(api: Api, path: str) -> None:
    assert (await api.client.get(path)).status_code == 401
    others = set(Scope) - {Scope.ADMIN}
    assert (await api.call("GET", path, *others)).status_code == 403
    assert (await api.call("GET", path, network="m")).status_code == 403
    assert (await api.call("GET", path, Scope.ADMIN)).status_code == 200


@cases(
    ("path", "query", "pointers"),
    [
        (EVENTS, {"kind": "http"}, ["/kind"]),
        (ACCESSES, {"via": "segment"}, ["/via"]),
        (EVENTS, {"limit": "0"}, ["/limit"]),
        (EVENTS, {"since": "yesterday"}, ["/since"]),
        (EVENTS, {"actor": "a\0"}, ["/actor"]),
        (EVENTS, {"cursor": "x"}, ["/cursor"]),
        (EVENTS, {"from": "2026-01-01"}, ["/from"]),
    ],
)
async def test_what_is_misspelt_is_refused(
    api: Api, path: str, query: dict[str, str], pointers: list[str]
) -> None:
    assert await refused(api, path, **query) == (400, "invalid_field", pointers)


async def test_a_cursor_is_of_one_list_with_its_filters(api: Api) -> None:
    await rename(api, "Renamed")
    cursor = (await get(api, EVENTS, limit="1", kind="segment"))["next"]
    assert cursor
    for path, query in ((EVENTS, {}), (EVENTS, {"kind": "key"}), (ACCESSES, {})):
        assert (await refused(api, path, cursor=cursor, **query))[2] == ["/cursor"]


async def test_a_network_sees_nothing_of_another(api: Api) -> None:
    await make_segments(api.settings, [("m", 7)])
    await api.call("GET", "/networks/m/sizes", network="m")
    for path, name in ((EVENTS, "events"), (ACCESSES, "accesses")):
        answer = await api.call("GET", path, Scope.ADMIN)
        assert {row["network_id"] for row in answer.json()[name]} <= {"n"}
