"""All members of a segment in one answer: exact, in constant memory, and holding nothing while a client is slow."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from projections.queries.members import COLUMNS
from stack.ports import free_port
from tests.http.client import Api
from tests.http.reading import AT, MEMBERS, appended, get, walk
from tests.projections.folding import commands
from tests.support.cases import cases
from tests.support.database import connected, make_segments, value
from tests.support.lane import command_json
from tests.support.roles import processes
from tests.support.sizes import short_and_long
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
NDJSON, CSV = "application/x-ndjson", "text/csv"
ODD = [
    "=1+1",
    '"',
    'a,"b"',
    "a;b",
    "a\nb",
    "a\r\nb",
    "\r",
    " lead",
    "ß日本",
    "@x.com",
    "-1",
    "'",
    "\\N",
    "NULL",
]
_IDLE = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'
"""
# Members by SQL, as the benchmarks do: what is measured is the reading.
_FILL = """
INSERT INTO segments.person (network_id, user_id, salt)
SELECT 'n', 'customer' || n || '@example.com', '' FROM generate_series(1, $1::integer) AS n;
"""
_LANE = """
INSERT INTO segments.lane (topic, partition, first_offset, next_offset, events) VALUES ('filled', 0, 0, $1, $1)
RETURNING lane_id
"""
_EVENTS = """
INSERT INTO segments.event (lane_id, segment_key, kafka_offset, person_id, status_change_timestamp, received_at,
    recorded_at, user_status, content, reference_id, discriminator, metadata, digest)
SELECT $1, s.segment_key, p.person_id - 1, p.person_id, now(), now(), now(), 4, '', 'filled', '',
    '{"rule": "rfm-7"}', ''
FROM segments.person AS p CROSS JOIN segments.segment AS s
"""
_CHECKPOINT = """
INSERT INTO projections.checkpoint (projection, slot, lane_id, next_offset) VALUES ('membership', 0, $1, $2)
"""
_STATES = """
INSERT INTO projections.membership (slot, segment_key, person_id, is_member, override, member_since, member_lane_id,
    member_offset, last_recorded_at, last_timestamp, network_id, segment_id)
SELECT 0, e.segment_key, e.person_id, true, 0, e.status_change_timestamp, e.lane_id, e.kafka_offset, e.recorded_at,
    e.status_change_timestamp, 'n', 1
FROM segments.event AS e
"""


async def fill(settings: Settings, many: int) -> None:
    await make_segments(settings)
    async with connected(settings) as connection:
        await connection.execute(_FILL.replace("$1", str(many)))
        lane_id = await connection.fetchval(_LANE, many)
        await connection.execute(_EVENTS, lane_id)
        await connection.execute(_STATES)
        await connection.execute(_CHECKPOINT, lane_id, many)
        await connection.execute("VACUUM ANALYZE")


async def streamed(api: Api, accept: str, **parameters: Any) -> httpx.Response:
    response = await api.call("GET", MEMBERS, headers={"Accept": accept}, params=parameters or None)
    assert response.status_code == 200, response.text
    return response


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.split("\n")[:-1]]


async def test_lines_and_csv_hold_what_the_pages_hold(api: Api) -> None:
    odd = [command_json(user=f"{text}!", description=text.strip() or None, reference_id=text, metadata={text: 1.10})
           for text in ODD]  # fmt: skip
    async with appended(api.settings, *commands(seed=7, count=200, users=30), *odd):
        paged = await walk(api, MEMBERS, limit=7)
        assert len(paged) > len(ODD)
        found = await streamed(api, NDJSON)
        assert found.headers["content-type"] == NDJSON
        assert lines(found.text) == paged
        assert lines((await streamed(api, NDJSON, limit=9)).text) == paged[:9]
        cursor = (await get(api, MEMBERS, limit=4))["next"]
        assert lines((await streamed(api, NDJSON, cursor=cursor)).text) == paged[4:]
        sheet = await streamed(api, CSV)
        assert sheet.headers["content-type"] == "text/csv; charset=utf-8; header=present"
        heading, *cells = csv.reader(io.StringIO(sheet.content.decode(), newline=""))
        assert tuple(heading) == COLUMNS
        assert [_of_csv(heading, row) for row in cells] == paged
        assert sheet.content.endswith(b"\r\n")
        then = await walk(api, MEMBERS, as_of=AT + 20 * 7200)
        assert lines((await streamed(api, NDJSON, as_of=AT + 20 * 7200)).text) == then != paged


def _of_csv(heading: list[str], cells: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {name: cell or None for name, cell in zip(heading, cells, strict=True)}
    row["segment_id"] = int(row["segment_id"])
    row["metadata"] = row["metadata"] and json.loads(row["metadata"])
    return row


@cases(
    ("accept", "given"),
    [
        ("", "application/json"), ("*/*", "application/json"), ("application/*", "application/json"),
        ("text/*", CSV), ("text/html, text/csv;q=0.1", CSV), ("application/json;q=0.4, text/csv;q=0.5", CSV),
        ("TEXT/CSV", CSV), ("application/x-ndjson, */*;q=0.1", NDJSON), ("application/json;q=0, */*", NDJSON),
        ("text/html", None), ("application/json;q=0", None), ("*/*;q=0", None), ("application/xml, image/*", None),
    ],
)  # fmt: skip
async def test_accept_chooses_and_what_there_is_not_is_406(
    api: Api, accept: str, given: str | None
) -> None:
    response = await api.call("GET", MEMBERS, headers={"Accept": accept})
    if given is None:
        assert (response.status_code, response.json()["reason"]) == (406, "not_acceptable")
    else:
        assert response.headers["content-type"].partition(";")[0] == given


async def test_sizes_come_as_lines_and_as_csv_too(api: Api) -> None:
    path = "/networks/n/sizes"
    async with appended(api.settings, *commands(seed=9, count=60, users=9)):
        sizes = (await get(api, path))["sizes"]
        assert [size["members"] > 0 for size in sizes] == [True, True]
        response = await api.call("GET", path, headers={"Accept": NDJSON})
        assert response.headers["content-type"] == NDJSON
        assert lines(response.text) == sizes
        sheet = await api.call("GET", path, headers={"Accept": CSV})
        assert sheet.headers["content-type"] == "text/csv; charset=utf-8; header=present"
        for answer in (response, sheet):
            assert answer.headers["segments-complete-until"].endswith("+00:00")
    heading = ["network_id", "segment_id", "segment_name", "members", "added", "blocked"]
    assert list(csv.reader(io.StringIO(sheet.text, newline=""))) == [
        heading,
        *([str(size[name]) for name in heading] for size in sizes),
    ]
    nobody = await api.call("GET", "/networks/e/sizes", network="e", headers={"Accept": CSV})
    assert nobody.text == ",".join(heading) + "\r\n"


@pytest.fixture
async def filled(api: Api) -> AsyncIterator[Api]:
    """The API, with a result of user u and reference r."""
    async with appended(api.settings, command_json(user="u", reference_id="r")):
        yield api


JSON_ALONE = [
    "/networks/n/segments/1/members?user=u",
    "/networks/n/segments/1/members/u",
    "/networks/n/segments/1/members/u/explanation",
    "/networks/n/segments/1/explanation?user=u",
    "/networks/n/users/u/segments",
    "/networks/n/users/segments?user=u",
    "/networks/n/results?reference_id=r",
    "/networks/n/admin/segments",
    "/networks/n/admin/segments/1",
]


@cases("path", [*JSON_ALONE, "/networks/n/sizes"])
async def test_a_read_never_answers_what_was_not_asked_for(filled: Api, path: str) -> None:
    for accept in (*([] if path.endswith("/sizes") else [CSV, NDJSON]), "text/html"):
        response = await filled.call("GET", path, headers={"Accept": accept})
        assert (response.status_code, response.json()["reason"]) == (406, "not_acceptable"), accept
        assert (await filled.client.get(path, headers={"Accept": accept})).status_code == 401
    for accept in ("*/*", "application/json", f"{CSV};q=0.5, application/*;q=0.1"):
        response = await filled.call("GET", path, headers={"Accept": accept})
        assert response.status_code == 200, response.text


async def test_a_stream_of_an_undefined_segment_is_404(api: Api) -> None:
    response = await api.call("GET", "/networks/n/segments/9/members", headers={"Accept": CSV})
    assert (response.status_code, response.json()["reason"]) == (404, "unknown_segment")


@short_and_long("many", 60_000, 400_000)
async def test_many_members_are_streamed_in_little_memory_beside_slow_clients(
    settings: Settings, many: int
) -> None:
    await fill(settings, many)
    given = settings.model_copy(update={"http_port": free_port()})
    with processes(given, "api") as (process,):
        url = f"http://127.0.0.1:{given.http_port}"
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                httpx.AsyncClient(base_url=url, timeout=PATIENCE)
            )
            await holds(lambda: _is_up(client))
            api = Api(given, url, client)
            memory = psutil.Process(process.pid).memory_info
            await streamed(api, NDJSON, limit=2000)  # what is loaded once
            before = memory().rss
            slow = [await _begin(api) for _ in range(11)]
            most = await _take_all(api, NDJSON, many, memory)
            # The slow ones have taken nothing meanwhile: no session waits for them, and pages are answered.
            assert await value(given, _IDLE) == 0
            # Who takes nothing for half a minute is given up; who begins late gets it all.
            first, first_writer = await _begin(api)
            assert len((await get(api, MEMBERS, limit=10))["members"]) == 10
            users = [json.loads(line)["user_id"] for line in _body(await first.read()).splitlines()]
            assert users == [f"customer{n}@example.com" for n in range(1, many + 1)]
            first_writer.close()
            most = max(most, await _take_all(api, CSV, many, memory))
            assert most - before < 32 * 2**20
            for _, writer in slow:
                writer.transport.abort()


async def _take_all(api: Api, accept: str, many: int, memory: Any) -> int:
    """Take a whole stream; give the most bytes that the process used."""
    count = most = 0
    headers = {"Authorization": f"Bearer {await api.key()}", "Accept": accept}
    async with api.client.stream("GET", MEMBERS, headers=headers) as answer:
        async for piece in answer.aiter_raw():
            count += piece.count(b"\n")
            most = max(most, memory().rss)
    assert count == many + (accept == CSV)
    return most


def _body(answer: bytes) -> bytes:
    """Give what the chunks of a whole answer hold: their borders lie anywhere in it."""
    _, _, rest = answer.partition(b"\r\n\r\n")
    chunks, at, size = [], 0, -1
    while size != 0:
        begin = rest.index(b"\r\n", at) + 2
        size = int(rest[at : begin - 2], 16)
        chunks.append(rest[begin : begin + size])
        at = begin + size + 2
    assert rest[at - 2 :] == b"\r\n"
    return b"".join(chunks)


async def _is_up(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health/ready")).is_success
    except httpx.TransportError:
        return False


async def _begin(api: Api) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for all members and take nothing."""
    host, _, port = api.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**16)
    writer.write(
        f"GET {MEMBERS} HTTP/1.1\r\nHost: x\r\nAccept: {NDJSON}\r\nConnection: close\r\n"
        f"Authorization: Bearer {await api.key()}\r\n\r\n".encode()
    )
    await writer.drain()
    return reader, writer
