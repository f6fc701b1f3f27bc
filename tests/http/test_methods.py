"""HEAD wherever GET is; what is not allowed and what is not there say what is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.http.client import command_body
from tests.support.cases import cases

if TYPE_CHECKING:
    from tests.http.client import Api

pytestmark = pytest.mark.stack
READ = [
    "/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json", "/networks/n/sizes",
    "/networks/n/results?reference_id=r", "/networks/n/segments/1/members", "/networks/n/admin/segments",
    "/networks/n/admin/segments/1", "/networks/n/users/u/segments",
]  # fmt: skip
# They differ from one answer to the next.
OWN = {"date", "x-request-id", "ratelimit-remaining", "ratelimit-reset"}


@cases("path", READ)
async def test_head_is_get_without_the_body(api: Api, path: str) -> None:
    got, headed = await api.call("GET", path), await api.call("HEAD", path)
    assert (headed.status_code, headed.content) == (got.status_code, b"")
    named = [{k: v for k, v in one.headers.items() if k not in OWN} for one in (got, headed)]
    if path == "/metrics":
        del named[0]["content-length"], named[1]["content-length"]
    assert named[0] == named[1]


async def test_head_of_a_stream_reads_none_of_it(api: Api) -> None:
    path = "/networks/n/segments/1/members"
    response = await api.call("HEAD", path, headers={"Accept": "application/x-ndjson"})
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "application/x-ndjson"


async def test_head_says_no_more_than_get(api: Api) -> None:
    assert (await api.client.head("/networks/n/sizes")).status_code == 401
    assert (await api.call("HEAD", "/networks/other/sizes")).status_code == 403
    assert (await api.call("HEAD", "/nothing")).status_code == 404


@cases(
    ("method", "path", "allowed"),
    [
        ("HEAD", "/networks/n/segments", "POST"),
        ("DELETE", "/networks/n/segments/batch", "POST"),
        ("PUT", "/networks/n/sizes", "GET, HEAD"),
        ("DELETE", "/networks/n/admin/segments", "GET, HEAD, POST"),
        ("DELETE", "/networks/n/admin/segments/1", "GET, HEAD, PATCH"),
        ("POST", "/health/live", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
        ("POST", "/static-offline-docs/swagger-ui.css", "GET, HEAD"),
    ],
)
async def test_what_is_not_allowed_says_what_is(
    api: Api, method: str, path: str, allowed: str
) -> None:
    response = await api.call(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    if method != "HEAD":
        told = response.json()["detail"]
        assert re.findall("[A-Z]{3,}", told) == allowed.split(", ")


async def test_what_the_document_lists_is_what_there_is(api: Api) -> None:
    document = (await api.client.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        listed = {method.upper() for method in operations}
        one = path.format(
            network_id="n",
            segment_id=1,
            user="u",
            level=0,
            number="000",
            position="t:0:0:0",
            key_id="k",
            task_id=1,
        )
        allowed = (await api.call("TRACE", one)).headers["allow"]
        assert set(allowed.split(", ")) - {"HEAD"} == listed, path


@cases(
    ("method", "path"),
    [
        ("POST", "/networks/n/segments"), ("POST", "/networks/n/segments/batch"), ("GET", "/networks/n/sizes"),
        ("POST", "/networks/n/admin/segments"), ("GET", "/docs"),
    ],
)  # fmt: skip
async def test_a_trailing_slash_is_told_where_to_go(api: Api, method: str, path: str) -> None:
    response = await api.call(method, f"{path}/", json=command_body() if method == "POST" else None)
    assert (response.status_code, response.json()["reason"]) == (404, "not_found")
    assert response.json()["detail"].endswith(f" {path}")
    nothing = await api.call(method, "/nothing/")
    assert "slash" not in nothing.json()["detail"]


async def test_the_server_does_not_say_what_it_is(api: Api) -> None:
    for path in ("/health/live", "/nothing", "/networks/n/segments"):
        assert (await api.call("POST", path, json=command_body())).headers["server"] == "segments"
