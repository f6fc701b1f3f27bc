"""Bodies are read as they stand: one that is encoded is refused, by whatever call it is sent to."""

from __future__ import annotations

import gzip
import json
from itertools import product
from typing import Any

import pytest

from projections.operations.status import end_offsets
from tests.http.client import Api, command_body
from tests.support.cases import cases

pytestmark = pytest.mark.stack
ADMIN = "/networks/n/admin/segments"
CALLS: list[tuple[str, str, Any, int]] = [
    ("POST", "/networks/n/segments", command_body(), 201),
    ("POST", "/networks/n/segments/batch", [command_body()], 207),
    ("POST", ADMIN, {"name": "new"}, 201),
    ("PATCH", f"{ADMIN}/1", {"description": "new"}, 200),
]


@cases(
    ("call", "encodings"),
    product(CALLS, [["gzip"], ["GZIP"], ["identity, br"], ["deflate;x"], ["identity", "gzip"]]),
)
async def test_an_encoded_body_is_415_and_does_nothing(
    api: Api, call: tuple[str, str, Any, int], encodings: list[str]
) -> None:
    method, path, body, _ = call
    headers = [("Authorization", f"Bearer {await api.key()}")]
    headers += [("Content-Encoding", encoding) for encoding in encodings]
    for content in (gzip.compress(json.dumps(body).encode()), json.dumps(body).encode()):
        response = await api.client.request(method, path, content=content, headers=headers)
        problem = response.json()
        assert (response.status_code, problem["reason"]) == (415, "unsupported_encoding")
        assert "Content-Encoding" in problem["detail"]
        assert "published" not in problem
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["accept-encoding"] == "identity"
    assert sum((await end_offsets(api.settings)).values()) == 0
    (one,) = (await api.call("GET", ADMIN)).json()["segments"]
    assert one["description"] is None


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
@cases(("method", "path", "body", "status"), CALLS)
async def test_a_body_that_says_it_is_not_encoded_is_read(
    api: Api, method: str, path: str, body: Any, status: int, encoding: str
) -> None:
    response = await api.call(method, path, json=body, headers={"Content-Encoding": encoding})
    assert response.status_code == status, response.text


async def test_who_may_not_call_is_told_that_first(api: Api) -> None:
    for method, path, body, _ in CALLS:
        response = await api.client.request(
            method, path, json=body, headers={"Content-Encoding": "gzip"}
        )
        assert response.status_code == 401
