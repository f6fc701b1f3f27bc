"""A refusal says what is wrong where it is wrong, in one voice for commands, batches, bodies and parameters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from service.registry.api_keys import Scope
from tests.http.client import command_body
from tests.support.cases import cases

if TYPE_CHECKING:
    import httpx

    from tests.http.client import Api

pytestmark = pytest.mark.stack
ONE = "/networks/n/segments"
BATCH = f"{ONE}/batch"
ADMIN = "/networks/n/admin/segments"


def detail(answer: httpx.Response) -> str:
    assert answer.status_code >= 400
    found: str = answer.json()["detail"]
    return found


async def test_what_is_wrong_beside_a_command_is_not_said_of_the_command(api: Api) -> None:
    async def posted(path: str, body: bytes, **headers: str) -> str:
        return detail(await api.call("POST", path, content=body, headers=headers))

    good = json.dumps(command_body()).encode()
    batch = b"[" + b",".join([good] * 1001) + b"]"
    key = {"Idempotency-Key": "x" * 256}
    assert (await posted(ONE, good, **key)).startswith("header Idempotency-Key must be")
    assert (await posted(BATCH, b"[" + good + b"]", **key)).startswith("header Idempotency-Key")
    assert await posted(BATCH, batch) == "the batch holds more than 1000 commands"
    assert await posted(BATCH, b"[]") == "the batch holds no command"
    assert await posted(ONE, b" " * 70_000) == "the body must be at most 65536 bytes"
    assert await posted(ADMIN, b"[]") == "the body: must be a JSON object"
    assert await posted(ONE, b"7") == "the command: must be a JSON object; a number was sent"


async def test_what_was_sent_to_the_wrong_call_is_told_the_right_one(api: Api) -> None:
    many = detail(await api.post([command_body()]))
    assert many.endswith("an array was sent: send an array of commands to …/segments/batch")
    assert (
        detail(await api.post(command_body(metadata=[1])))
        == "/metadata: must be a JSON object; an array was sent"
    )
    lines = (json.dumps(command_body()) + "\n") * 2
    for body in (lines, json.dumps(command_body())):
        told = detail(await api.call("POST", BATCH, content=body))
        assert "Content-Type: application/x-ndjson" in told
        assert "…/segments" in told


async def test_an_items_detail_names_the_place_that_its_pointers_name(api: Api) -> None:
    items = [
        command_body(),
        command_body(user_status="ad"),
        7,
        command_body(metadata={"Jo@x.com": "\u0000"}),
        command_body(x=1, y=2),
    ]
    response = await api.call("POST", BATCH, json=items)
    _, status, number, free, unknown = response.json()["items"]
    assert status["detail"].startswith("/1/user_status: must be")
    assert [error["pointer"] for error in status["errors"]] == ["/1/user_status"]
    assert number["detail"] == "/2: must be a JSON object; a number was sent"
    assert free["detail"].startswith("/3/metadata/…: ")
    assert "/4/x: " in unknown["detail"]
    assert "; /4/y: " in unknown["detail"]


@cases(
    ("method", "path", "body", "message"),
    [
        ("POST", ADMIN, {}, "/name: is required"),
        ("POST", ADMIN, {"name": "a", "colour": 1}, "/colour: there is no such field"),
        ("POST", ADMIN, {"name": 1}, "/name: must be a string"),
        ("PATCH", f"{ADMIN}/1", {"archived": "yes"}, "/archived: must be true or false"),
        ("PATCH", f"{ADMIN}/1", {"name": " a"}, "/name: must neither begin nor end with white space"),
        ("GET", f"{ONE}/1/members?as_off=1", None, "/as_off: there is no such parameter"),
        ("GET", f"{ONE}/1/members?limit=x", None, "/limit: must be a plain decimal integer"),
        ("GET", f"{ONE}/1/members?limit=0", None, "/limit: must be greater than or equal to 1"),
        ("GET", f"{ONE}/1/members?limit={'9' * 20}", None, "/limit: must be less than or equal to 5000"),
        ("GET", f"{ONE}/1/members?limit=1{'0' * 5000}", None, "/limit: must be less than or equal to 5000"),
        ("GET", f"{ONE}/1/members?limit=-{'9' * 20}", None, "/limit: must be greater than or equal to 1"),
        ("GET", f"{ONE}/{'9' * 20}/members", None, f"/segment_id: must be less than or equal to {2**31 - 1}"),
        ("GET", f"/networks/n/results?position=t:0:{2**63}", None, f"/position: has an offset above {2**63 - 1}"),
        ("GET", f"/networks/n/results?position=t:{2**31}:0", None,
         f"/position: has a partition or an epoch above {2**31 - 1}"),
    ],
)  # fmt: skip
async def test_bodies_and_parameters_are_refused_in_the_words_in_which_commands_are(
    api: Api, method: str, path: str, body: Any, message: str
) -> None:
    assert detail(await api.call(method, path, json=body)) == message


@cases(("method", "path", "wanted"), [
    ("GET", ADMIN, "admin"),
    ("POST", ONE, "publish"),
    ("GET", f"{ONE}/1/members", "report"),
])  # fmt: skip
async def test_a_key_that_may_not_is_told_which_may(
    api: Api, method: str, path: str, wanted: str
) -> None:
    other = next(scope for scope in Scope if scope != wanted)
    response = await api.call(method, path, other)
    assert response.status_code == 403
    assert detail(response) == f"use a key of this network with scope {wanted}"


async def test_a_name_or_an_id_that_is_taken_says_by_which_segment(api: Api) -> None:
    assert (await api.call("POST", ADMIN, json={"name": "Churned", "segment_id": 60})).is_success
    whose = "a segment of this network has that name or id already (network n, id 60, 'Churned')"
    for taken in ({"name": "Churned"}, {"name": "other", "segment_id": 60}):
        assert detail(await api.call("POST", ADMIN, json=taken)) == whose
    assert detail(await api.call("PATCH", f"{ADMIN}/1", json={"name": "Churned"})) == whose


@cases(
    "path",
    ["/", "/nothing", "/networks/n/segments/1", "/static-offline-docs/nothing", "/static-offline-docs/x/"],
)  # fmt: skip
async def test_what_is_not_there_is_said_in_words(api: Api, path: str) -> None:
    response = await api.call("GET", path)
    assert (response.status_code, response.json()["reason"]) == (404, "not_found")
    assert response.headers["content-type"] == "application/problem+json"
    assert detail(response) == "there is no such path; /docs has those that there are"
