"""Operations over HTTP, for scope operate alone: lanes, watermark, sources, and API keys of every network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from service.registry.api_keys import Scope
from tests.http.reading import get, walk
from tests.support.cases import cases
from tests.support.database import folded, rows, value
from tests.support.kafka import NewRecord, publish
from tests.support.roles import service
from tests.support.waiting import holds

if TYPE_CHECKING:
    import httpx

    from tests.http.client import Api

pytestmark = pytest.mark.stack
KEYS, TASKS = "/operations/keys", "/operations/tasks"


async def make(api: Api, **fields: Any) -> httpx.Response:
    return await api.call("POST", KEYS, json=fields)


@cases(
    ("method", "path"),
    [
        ("GET", "/operations"), ("GET", KEYS), ("POST", KEYS), ("DELETE", f"{KEYS}/k"), ("GET", TASKS), ("POST", TASKS),
        ("DELETE", f"{TASKS}/1"),
    ],
)  # fmt: skip
async def test_each_call_takes_scope_operate(api: Api, method: str, path: str) -> None:
    assert (await api.client.request(method, path)).status_code == 401
    answer = await api.call(method, path, *set(Scope) - {Scope.OPERATE})
    assert (answer.status_code, answer.json()["reason"]) == (403, "forbidden")


async def test_lanes_watermark_and_sources_are_told(api: Api) -> None:
    async with service(api.settings):
        await publish(api.settings, [NewRecord(user=f"u{nth}", lane=0) for nth in range(3)])
        await folded(api.settings)
        found = await get(api, "/operations")
    lane = next(one for one in found["lanes"] if one["partition"] == 0)
    assert (lane["events"], lane["projection_behind"], lane["stopped_because"]) == (3, 0, None)
    assert (found["overdue"], found["stopped_lanes"], found["projections"]) == (
        0,
        0,
        ["membership"],
    )
    assert [one["topic"] for one in found["sources"]] == [f"{api.settings.topic_prefix}.commands"]


async def test_a_key_is_made_used_listed_and_revoked(api: Api) -> None:
    made = (
        await make(
            api,
            network_id="n",
            scopes=["report"],
            key_name="shop",
            expires_at="2099-01-01T00:00:00Z",
        )
    ).json()
    as_shop = {"Authorization": f"Bearer {made['key']}"}
    assert (await api.client.get("/networks/n/sizes", headers=as_shop)).status_code == 200
    listed = (await get(api, KEYS))["keys"]
    assert (listed[0]["key_id"], listed[0]["key_name"]) == (made["key_id"], "shop")
    assert made["key"] not in json.dumps(listed)
    for _ in range(2):
        gone = await api.call("DELETE", f"{KEYS}/{made['key_id']}")
        assert (gone.status_code, gone.json()["revoked_by"]) == (200, "test key")

    async def is_refused() -> bool:
        answer = await api.client.get("/networks/n/sizes", headers=as_shop)
        return answer.status_code == 401

    await holds(is_refused)
    assert made["key_id"] not in [key["key_id"] for key in (await get(api, KEYS))["keys"]]
    everything = await walk(api, KEYS, "keys", valid="false", limit="1")
    assert everything[0]["key_id"] == made["key_id"]
    assert len(everything) == await value(api.settings, "SELECT count(*) FROM segments.api_key")
    done = await rows(
        api.settings,
        "SELECT change, actor FROM reporting.admin_event WHERE object = '"
        + made["key_id"]
        + "' ORDER BY number",
    )
    assert [tuple(row.values()) for row in done] == [
        ("created", "test key"), ("revoked", "test key"),
    ]  # fmt: skip


@cases(("body", "pointers"), [
    ({}, ["/network_id", "/scopes"]),
    ({"network_id": "no network", "scopes": ["report"]}, ["/network_id"]),
    ({"network_id": "n", "scopes": []}, ["/scopes"]),
    ({"network_id": "n", "scopes": ["everything"]}, ["/scopes/0"]),
    ({"network_id": "n", "scopes": ["report"], "key_name": ""}, ["/key_name"]),
    ({"network_id": "n", "scopes": ["report"], "key_name": "x" * 256}, ["/key_name"]),
    ({"network_id": "n", "scopes": ["report"], "key_name": "\0"}, ["/key_name"]),
    ({"network_id": "n", "scopes": ["report"], "expires_at": "2020-01-01T00:00:00Z"}, ["/expires_at"]),
    ({"network_id": "n", "scopes": ["report"], "expires_at": "2099-01-01"}, ["/expires_at"]),
    ({"network_id": "n", "scopes": ["report"], "name": "x"}, ["/name"]),
])  # fmt: skip
async def test_a_key_that_cannot_be_is_refused(
    api: Api, body: dict[str, Any], pointers: list[str]
) -> None:
    answer = await make(api, **body)
    assert answer.status_code == 400, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers


async def test_a_key_that_is_not_there_is_404(api: Api) -> None:
    answer = await api.call("DELETE", f"{KEYS}/nothing")
    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_key")
