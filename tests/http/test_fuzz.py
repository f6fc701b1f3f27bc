"""A load of broken bodies and odd requests: each is answered, with 4xx unless it is right after all."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from projections.operations.status import end_offsets
from tests.http.client import api_running, command_body
from tests.support.cases import cases
from tests.support.database import folded, sound, value
from tests.support.roles import service
from tests.support.sizes import short_and_long

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack
ODD: list[Any] = [
    None, True, 0, -1, 1.5, 1e308, 2**31, 2**63, 10**400, "", "\u0000", "\ud800", "\u202e", "x" * 400, [], {}, [[]],
    {"a": {"a": {}}}, "1", "add", "ADD", "2020-01-01", float("nan"), float("inf"),
]  # fmt: skip
FIELDS = (
    "user", "segment_id", "user_status", "metadata", "reference_id", "status_change_timestamp", "description",
    "expires_at", "network_id", "constructor", "",
)  # fmt: skip
RAW = (
    b"", b" ", b"\xef\xbb\xbf{}", b"\xff\xfe", b"\x00", b"null", b"[" * 10_000, b'{"a":' * 5000, b"{}{}", b"{'a': 1}",
    b'{"user": "\\ud800"}', b'{"user": "\\u0000"}', b"1e999999", b'"' + b"x" * 60_000 + b'"', b"-", b"{\x1f}",
)  # fmt: skip
TYPES = (
    "application/json",
    "text/plain",
    "application/x-ndjson",
    "multipart/form-data",
    "\x7f",
    "",
)


def mutated(chance: random.Random) -> bytes:
    """Break a right body: a field made odd, or bytes changed, cut or doubled."""
    command = command_body(reference_id=str(chance.random()), metadata={"n": chance.random()})
    for _ in range(chance.randrange(3)):
        command[chance.choice(FIELDS)] = chance.choice(ODD)
    body = bytearray(json.dumps(command).encode())
    for _ in range(chance.choice((0, 0, 1, 3))):
        at = chance.randrange(len(body) + 1)
        how = chance.randrange(4)
        if how == 0:
            body[at : at + 1] = bytes([chance.randrange(256)])
        elif how == 1:
            del body[at:]
            body += b"x"
        elif how == 2:
            body[at:at] = body[: chance.randrange(len(body) + 1)]
        else:
            del body[at : at + 1]
    return bytes(body)


def odd_segment(chance: random.Random) -> bytes:
    """Give a body for the registry, perhaps a right one."""
    fields = ("name", "description", "is_visible", "segment_id", "archived", "user", "\ud800", "")
    segment: dict[str, Any] = {"name": f"s{chance.random()}"}
    for _ in range(chance.randrange(3)):
        segment[chance.choice(fields)] = chance.choice([*ODD, True, False, "x"])
    body = json.dumps(segment).encode()
    return body[: chance.randrange(len(body))] if chance.random() < 0.2 else body


def bodies(count: int) -> Iterator[bytes]:
    chance = random.Random(7)  # noqa: S311 - to be had again
    yield from RAW
    for _ in range(count):
        yield mutated(chance)


@short_and_long("count", 1000, 10_000)
async def test_broken_bodies_get_4xx_and_nothing_but_what_is_right_is_published(
    api: Api, count: int
) -> None:
    chance = random.Random(8)  # noqa: S311 - to be had again
    found: Counter[int] = Counter()
    published = 0
    limit = asyncio.Semaphore(16)
    headers = {"Authorization": f"Bearer {await api.key()}"}

    async def post(body: bytes, path: str, kind: str) -> httpx.Response:
        async with limit:
            return await api.client.post(
                path, content=body, headers=headers | {"Content-Type": kind}
            )

    sent = [
        (
            body,
            f"/networks/n/segments{chance.choice(('', '', '', '/batch'))}",
            chance.choice(TYPES[:4]),
        )
        for body in bodies(count)
    ]
    for answer in await asyncio.gather(*(post(*one) for one in sent)):
        found[answer.status_code] += 1
        assert answer.status_code in (201, 207) or 400 <= answer.status_code < 500, answer.text
        if answer.status_code == 201:
            published += 1
        elif answer.status_code == 207:
            statuses = [item["status"] for item in answer.json()["items"]]
            assert all(status == 201 or 400 <= status < 500 for status in statuses)
            published += statuses.count(201)
        else:
            assert answer.headers["content-type"] == "application/problem+json"
    assert found[201] > count / 30
    assert found[400] > count / 3
    assert sum((await end_offsets(api.settings)).values()) == published
    # Whatever the API lets through, the ingest takes: one parser for both.
    async with service(api.settings):
        await folded(api.settings)
    await sound(api.settings)


async def test_broken_segments_get_4xx_and_nothing_but_what_is_right_is_recorded(
    ready: Settings,
) -> None:
    chance = random.Random(9)  # noqa: S311 - to be had again
    path = "/networks/n/admin/segments"
    found: Counter[tuple[str, int]] = Counter()
    often = ready.model_copy(update={"http_registry_rate_limit": "1000/second"})
    async with api_running(often) as api:
        headers = {"Authorization": f"Bearer {await api.key()}"}
        for method, to in (("POST", path), ("PATCH", f"{path}/1")):
            for body in (*RAW, *(odd_segment(chance) for _ in range(150))):
                response = await api.client.request(method, to, content=body, headers=headers)
                found[method, response.status_code] += 1
                status = response.status_code
                assert status in (200, 201) or 400 <= status < 500, response.text
    assert not any(status == 429 for _, status in found)
    assert found["POST", 201] > 30
    assert found["PATCH", 200] > 30
    assert found["POST", 400] > 50
    assert await value(ready, "SELECT count(*) FROM segments.segment") == 1 + found["POST", 201]


@cases(
    ("name", "value"),
    [
        ("Authorization", b"\xff\xfe"), ("Authorization", b"Bearer " + b"x" * 8000), ("Prefer", b"wait=-1"),
        ("Prefer", b"\xff"), ("Prefer", b"respond-async, wait=0"), ("Idempotency-Key", b"\xff"),
        ("X-Request-Id", b"\xff\xfe"), ("X-Request-Id", b"x" * 5000), ("traceparent", b"00-\xff"),
        ("Content-Type", b"\xff"), ("Accept", b"\xff"),
    ],
)  # fmt: skip
async def test_odd_headers_are_answered_too(api: Api, name: str, value: bytes) -> None:
    headers = [(b"Authorization", f"Bearer {await api.key()}".encode())]
    headers = [one for one in headers if one[0] != name.encode()] + [(name.encode(), value)]
    response = await api.client.post(
        "/networks/n/segments", content=json.dumps(command_body()).encode(), headers=headers
    )
    assert response.status_code in (200, 201, 202) or 400 <= response.status_code < 500, (
        response.text
    )


@cases(
    "path",
    [
        "/networks//segments", "/networks/n/segments/", "/networks/n%2Fm/segments", "/networks/n/segments?dry_run=%ff",
        "/networks/n/segments/batch/more", "/networks/%00/segments", "/networks/" + "x" * 5000 + "/segments", "//",
        "/%",
    ],
)  # fmt: skip
async def test_odd_paths_are_answered_too(api: Api, path: str) -> None:
    response = await api.call("POST", path, json=command_body())
    assert 400 <= response.status_code < 500, response.text
