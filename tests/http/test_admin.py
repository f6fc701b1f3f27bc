"""The registry over HTTP: as on the command line, with the key's name as actor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from service.registry.api_keys import Scope
from tests.http.client import api_running, command_body
from tests.support.cases import cases
from tests.support.database import rows
from tests.support.proxy import database_proxy

if TYPE_CHECKING:
    import httpx

    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack
PATH = "/networks/n/admin/segments"


async def create(api: Api, **fields: Any) -> httpx.Response:
    return await api.call("POST", PATH, json=fields)


async def patch(api: Api, number: int, **fields: Any) -> httpx.Response:
    return await api.call("PATCH", f"{PATH}/{number}", json=fields)


async def test_a_created_segment_gets_the_next_id_or_the_given_one_and_takes_commands(
    api: Api,
) -> None:
    first = await create(api, name="Power user", description="Buys a lot")
    assert (first.status_code, first.json()["segment_id"], first.json()["created_by"]) == (
        201,
        2,
        "test key",
    )
    assert first.headers["location"] == f"{PATH}/2"
    assert int(first.headers["ratelimit-remaining"]) > 0
    given = await create(api, name="Churned", segment_id=40, is_visible=False)
    assert (given.json()["segment_id"], given.json()["is_visible"]) == (40, False)
    assert (await create(api, name="next")).json()["segment_id"] == 41
    assert (await api.post(command_body(segment_id=41))).status_code == 201
    listed = (await api.call("GET", PATH)).json()["segments"]
    assert [one["segment_id"] for one in listed] == [1, 2, 40, 41]
    assert (await api.call("GET", f"{PATH}/2")).json() == first.json()


async def test_what_is_taken_is_409_and_what_is_not_there_404(api: Api) -> None:
    await create(api, name="a")
    for answer in (
        await create(api, name="a"),
        await create(api, name="b", segment_id=1),
        await patch(api, 1, name="a"),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (409, "name_taken")
    for answer in (await patch(api, 9, name="x"), await api.call("GET", f"{PATH}/9")):
        assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_segment")


@cases(("body", "pointers"), [
    ({}, ["/name"]),
    ({"name": " "}, ["/name"]),
    ({"name": "a\nb"}, ["/name"]),
    ({"name": "x" * 256}, ["/name"]),
    ({"name": "a\u0000"}, ["/name"]),
    ({"name": "a\u0085b"}, ["/name"]),
    ({"name": "a\u2028b"}, ["/name"]),
    ({"name": " a"}, ["/name"]),
    ({"name": "a "}, ["/name"]),
    ({"name": "a\u00a0"}, ["/name"]),
    ({"name": "\u3000a b\u3000"}, ["/name"]),
    ({"name": "a", "description": "x" * 4097}, ["/description"]),
    ({"name": "a", "x/y~": 1}, ["/x~1y~0"]),
    ([], [""]),
    ({"name": 1, "is_visible": "yes"}, ["/is_visible", "/name"]),
    ({"name": "a", "segment_id": 0}, ["/segment_id"]),
    ({"name": "a", "segment_id": 2**31}, ["/segment_id"]),
    ({"name": "a", "colour": "red"}, ["/colour"]),
])  # fmt: skip
async def test_a_bad_body_is_400_and_names_each_wrong_field(
    api: Api, body: Any, pointers: list[str]
) -> None:
    response = await api.call("POST", PATH, json=body)
    assert response.status_code == 400
    assert sorted(error["pointer"] for error in response.json()["errors"]) == pointers


async def test_a_change_touches_what_it_names_and_one_that_changes_nothing_is_no_event(
    api: Api,
) -> None:
    await create(api, name="a", description="why")
    changed = (await patch(api, 2, name="b", archived=True)).json()
    assert (changed["name"], changed["description"], changed["archived_at"] is None) == (
        "b",
        "why",
        False,
    )
    assert (await api.post(command_body(segment_id=2))).status_code == 409
    assert (await patch(api, 2, name="b", archived=True)).json() == changed
    assert (await patch(api, 2)).json() == changed
    restored = (await patch(api, 2, archived=False, description=None)).json()
    assert (restored["description"], restored["archived_at"]) == (None, None)
    events = await rows(
        api.settings,
        "SELECT change, actor FROM segments.registry_event WHERE segment_name <> 'segment 1' ORDER BY version",
    )
    assert [(row["change"], row["actor"]) for row in events] == [
        (change, "test key") for change in ("created", "edited", "archived", "edited", "restored")
    ]


async def test_the_reason_of_a_change_is_in_the_history(api: Api) -> None:
    await patch(api, 1, archived=True, reason="Nobody uses it")
    await patch(api, 1, reason="Nothing changes")
    await patch(api, 1, archived=False, reason=None)
    history = await rows(
        api.settings, "SELECT archived, reason FROM reporting.segment_history ORDER BY valid_from"
    )
    assert [tuple(row.values()) for row in history] == [
        (False, None), (True, "Nobody uses it"), (False, None),
    ]  # fmt: skip
    answer = await patch(api, 1, archived=True, reason="x" * 4097)
    assert [one["pointer"] for one in answer.json()["errors"]] == ["/reason"]


async def test_an_empty_description_is_none_and_a_null_of_what_must_be_there_is_400(
    api: Api,
) -> None:
    made = (await create(api, name="a", description="")).json()
    assert made["description"] is None
    assert (await patch(api, 2, description="")).json() == made
    for field in ("name", "is_visible", "archived"):
        answer = await patch(api, 2, **{field: None})
        assert [one["pointer"] for one in answer.json()["errors"]] == [f"/{field}"]
    events = "SELECT 1 FROM segments.registry_event"
    assert len(await rows(api.settings, events)) == 2


async def test_after_the_highest_id_there_is_none_left_to_give(api: Api) -> None:
    assert (await create(api, name="last", segment_id=2**31 - 1)).status_code == 201
    answer = await create(api, name="one more")
    assert (answer.status_code, answer.json()["reason"]) == (409, "no_id_left")
    assert (await create(api, name="lower", segment_id=7)).status_code == 201


@cases(("body", "status", "reason"), [
    (b"", 400, "not_json"),
    (b"{", 400, "not_json"),
    (b'\xef\xbb\xbf{"name": "a"}', 400, "not_json"),
    ('{"name": "a"}'.encode("utf-16"), 400, "not_json"),
    (b'{"name": "a\\ud800"}', 400, "not_json"),
    (b'{"name": "a\xff"}', 400, "not_json"),
    (b"[" * 20_000, 400, "not_json"),
    (b'{"name": "a", "segment_id": 1e0}', 400, "invalid_field"),
    (b'{"name": "' + b"x" * 70_000 + b'"}', 413, "too_large"),
])  # fmt: skip
async def test_a_body_that_can_not_be_read_is_a_problem_and_only_for_who_may(
    api: Api, body: bytes, status: int, reason: str
) -> None:
    for path in (PATH, f"{PATH}/1"):
        method = "POST" if path == PATH else "PATCH"
        response = await api.call(method, path, content=body)
        assert (response.status_code, response.json()["reason"]) == (status, reason)
        assert response.headers["content-type"] == "application/problem+json"
        assert (await api.client.request(method, path, content=body)).status_code == 401
        other = path.replace("/n/", "/m/")
        assert (await api.call(method, other, content=body)).status_code == 403


async def test_the_document_tells_no_default_of_what_a_change_leaves_out(api: Api) -> None:
    document = (await api.client.get("/openapi.json")).json()
    body = document["paths"][PATH.replace("/n/", "/{network_id}/") + "/{segment_id}"]["patch"][
        "requestBody"
    ]
    properties = body["content"]["application/json"]["schema"]["properties"]
    assert set(properties) == {"name", "description", "is_visible", "archived", "reason"}
    assert not any("default" in field for field in properties.values())


async def test_only_admins_of_the_network_may(api: Api) -> None:
    for scope in (Scope.PUBLISH, Scope.REPORT):
        assert (await api.call("GET", PATH, scope)).status_code == 403
    assert (await api.call("GET", "/networks/m/admin/segments")).status_code == 403
    assert (await api.client.get(PATH)).status_code == 401


async def test_without_a_database_the_registry_is_503(ready: Settings) -> None:
    async with database_proxy(ready) as (proxy, through), api_running(through) as api:
        assert (await api.call("GET", PATH)).status_code == 200
        proxy.refuse()
        answer = await create(api, name="a")
        assert (answer.status_code, answer.json()["reason"]) == (503, "database_away")
        assert "retry-after" in answer.headers


async def test_a_parameter_that_does_not_exist_changes_nothing(api: Api) -> None:
    for method, path, body in (
        ("POST", PATH, {"name": "new"}), ("PATCH", f"{PATH}/1", {"name": "new"}),
        ("GET", PATH, None), ("GET", f"{PATH}/1", None),
    ):  # fmt: skip
        response = await api.call(method, f"{path}?dry_run=true", json=body)
        assert (response.status_code, response.json()["reason"]) == (400, "invalid_field"), method
    listed = (await api.call("GET", PATH)).json()["segments"]
    assert "new" not in [one["name"] for one in listed]


@cases(
    "number",
    [
        "1.0",
        "01",
        "+1",
        "%201",
        "1%20",
        "1_0",
        "1e0",
        "%EF%BC%91",
        "0",
        "-1",
        "2147483648",
        "x",
        "9" * 5000,
    ],
)
async def test_an_id_in_a_path_is_a_plain_decimal_integer(api: Api, number: str) -> None:
    one = "/networks/n/segments/" + number
    calls = [("GET", f"{PATH}/{number}"), ("PATCH", f"{PATH}/{number}"), ("GET", f"{one}/members"),
             ("GET", f"{one}/members/u"), ("GET", f"{one}/explanation?user=u")]  # fmt: skip
    for method, path in calls:
        response = await api.call(method, path, content=b"{}" if method == "PATCH" else None)
        assert (response.status_code, response.json()["reason"]) == (400, "invalid_field"), path
        assert [error["pointer"] for error in response.json()["errors"]] == ["/segment_id"]


async def test_a_change_of_a_segment_keeps_its_name_free_of_white_space_at_the_ends(
    api: Api,
) -> None:
    answer = await patch(api, 1, name=" One ")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/name"]
    assert "white space" in answer.json()["detail"]
    assert (await patch(api, 1, name="One  more")).json()["name"] == "One  more"


async def test_more_segments_than_a_network_may_have_are_409(ready: Settings) -> None:
    limited = ready.model_copy(update={"segments_per_network": 3})
    async with api_running(limited) as api:  # it has segment 1
        assert (await create(api, name="two")).status_code == 201
        assert (await patch(api, 2, archived=True)).status_code == 200  # archived ones count
        assert (await create(api, name="three")).status_code == 201
        answer = await create(api, name="four")
        assert (answer.status_code, answer.json()["reason"]) == (409, "too_many_segments")
        assert (await patch(api, 1, name="renamed")).status_code == 200


async def test_a_network_may_change_its_segments_only_so_often_whichever_key_asks(
    ready: Settings,
) -> None:
    limited = ready.model_copy(update={"http_registry_rate_limit": "3/hour"})
    async with api_running(limited) as api:
        assert (await create(api, name="two")).status_code == 201
        assert (await patch(api, 1, description="a")).status_code == 200
        other = {"Authorization": f"Bearer {await api.key('n', Scope.ADMIN)}"}
        path = f"{PATH}/1"
        assert (
            await api.call("PATCH", path, json={"description": "b"}, headers=other)
        ).status_code == 200
        for headers in ({}, other):
            response = await api.call("PATCH", path, json={"description": "c"}, headers=headers)
            assert (response.status_code, response.json()["reason"]) == (429, "too_many_requests")
            assert int(response.headers["retry-after"]) > 0
        assert (await api.call("GET", path)).json()["description"] == "b"
        assert (await api.post(command_body())).status_code == 201
