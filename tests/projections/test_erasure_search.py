"""After an erasure, tables, topics, files and logs are searched for the identifier in every spelling."""

from __future__ import annotations

import base64
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from schemas.command.rules import normalise_user
from schemas.topics import Topics
from service.registry.api_keys import Scope, create_key
from service.registry.erasure import VACUUM
from stack.ports import free_port
from tests.support.command_line import import_line, run
from tests.support.database import connected, folded, sound, until
from tests.support.kafka import NewRecord, publish, read_topic
from tests.support.lane import command_json
from tests.support.roles import processes
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
AT = 1_700_000_000
SENT = 'Änna.O\'Neil/+"quoted"@Example.com'
ROLES = ("api", "ingest", "project", "seal")
TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) AS name,
    string_agg(format('t.%I::text', a.attname), ', ' ORDER BY a.attnum) AS columns
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_catalog.pg_attribute AS a ON c.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'm', 'v') AND n.nspname NOT IN ('information_schema', 'pg_toast')
    AND (c.relkind <> 'v' OR n.nspname !~ '^pg_')
GROUP BY 1 ORDER BY 1
"""
LEAVES = """
SELECT entry FROM segments.lane AS l CROSS JOIN segments.lane_leaves(l.lane_id, 0, l.next_offset)
UNION ALL SELECT entry FROM segments.numbered_leaf
"""


def spellings(identifier: str) -> dict[str, bytes]:
    """Give an identifier as bytes: as sent, normalised, in each case, each of these as encodings write it."""
    texts = {
        "as sent": identifier,
        "normalised": normalise_user(identifier),
        "upper case": identifier.upper(),
        "lower case": identifier.lower(),
        "without its domain": identifier.partition("@")[0].lower(),
    }
    spelled: dict[str, bytes] = {}
    for name, text in texts.items():
        raw = text.encode()
        percent = quote(text, safe="")
        spelled |= {
            name: raw,
            f"{name}, in UTF-16": text.encode("utf-16-le"),
            f"{name}, escaped in JSON": json.dumps(text)[1:-1].encode(),
            f"{name}, quoted in JSON": json.dumps(text, ensure_ascii=False)[1:-1].encode(),
            f"{name}, percent-encoded": percent.encode(),
            f"{name}, percent-encoded in lower case": percent.lower().encode(),
            f"{name}, in a path": quote(text).encode(),
            f"{name}, in hex": raw.hex().encode(),
            f"{name}, in upper hex": raw.hex().upper().encode(),
        }
        for shift in range(3):
            # What of it is the same whatever stands before and after it.
            first, end = (4 if shift else 0), (len(raw) + shift) // 3 * 4
            for kind, encode in (
                ("base64", base64.b64encode),
                ("URL base64", base64.urlsafe_b64encode),
            ):
                encoded = encode(b"\0" * shift + raw + b"\0" * 2)[first:end]
                spelled[f"{name}, in {kind} after {shift}"] = encoded
    return spelled


NEEDLES = spellings(SENT)


def found(text: bytes) -> list[str]:
    return [name for name, needle in NEEDLES.items() if needle in text]


def test_each_spelling_is_found_wherever_it_stands() -> None:
    raw = normalise_user(SENT).encode()
    assert found(b"x" + raw + b"y")
    for before in (b"", b"a", b"ab", b"abc"):
        assert found(base64.b64encode(before + raw + b" more"))
        assert found(b"\\x" + (before + raw).hex().encode())
    assert found(json.dumps({"user": SENT}).encode())
    assert found(quote(SENT, safe="").encode())
    assert not found(b"erased:1")


async def tables(settings: Settings) -> dict[str, list[str]]:
    """Search every column of every table and view, as the superuser."""
    places = {}
    async with connected(settings) as connection:
        listed = await connection.fetch(TABLES)
        for name, columns in listed:
            query = f"SELECT concat_ws(E'\\n', {columns}) FROM {name} AS t"
            text = "\n".join(row[0] or "" for row in await connection.fetch(query))
            if spelled := found(text.encode()):
                places[name] = spelled
        leaves = "\n".join(row[0] for row in await connection.fetch(LEAVES))
        if spelled := found(leaves.encode()):
            places["leaves"] = spelled
    return places


async def topics(settings: Settings) -> set[str]:
    """Name the topics with the identifier, as compaction leaves them: a tombstone says no more than its key."""
    names = Topics(settings.topic_prefix)
    places = set()
    for topic in (names.commands, names.rejected, names.memberships):
        records = await read_topic(settings, topic)
        if topic == names.memberships:
            last = {record.key: record for record in records}
            records = [record for record in last.values() if record.value is not None]
        if any(found(_text(record)) for record in records):
            places.add(topic.rpartition(".")[2])
    return places


def _text(record: Any) -> bytes:
    headers = (part for name, value in record.headers for part in (name.encode(), value or b""))
    return b"\n".join((record.key or b"", record.value or b"", *headers))


def files(folder: Path) -> dict[str, list[str]]:
    texts = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    assert texts
    return {str(path): spelled for path, text in texts.items() if (spelled := found(text))}


def lines(outputs: Mapping[str, str]) -> list[str]:
    return [
        f"{role}: {line}"
        for role, output in outputs.items()
        for line in output.splitlines()
        if found(line.encode())
    ]


async def use(settings: Settings, url: str, folder: Path) -> None:
    """Let a person come in on every way, be read about, and be refused."""
    async with connected(settings) as connection:
        _, key = await create_key(connection, network_id="n", scopes=frozenset(Scope), name="a key")
    name = normalise_user(SENT)
    async with httpx.AsyncClient(
        base_url=url, timeout=PATIENCE, headers={"Authorization": f"Bearer {key}"}
    ) as client:
        command = {"user": SENT, "segment_id": 1, "user_status": "add", "description": f"of {SENT}"}
        path = "/networks/n/segments"
        assert (await client.post(path, json=command)).status_code == 201
        assert (await client.post(f"{path}?dry_run=true", json=command)).status_code == 200
        assert (await client.post(path, json=command | {"segment_id": 0})).status_code == 400
        assert (
            await client.post(f"{path}/batch", json=[command, {"user": SENT}])
        ).status_code == 207
        await publish(
            settings,
            [
                NewRecord(user=SENT, status_change_timestamp=AT, metadata={"mail": SENT}, reference_id="r"),
                NewRecord(user=SENT, status_change_timestamp=AT, reference_id="r", description=SENT),
                NewRecord(user=SENT, status_change_timestamp=AT, expires_at=AT + 60, segment_id=2),
                NewRecord(command_json(user=SENT, misspelt=SENT), key=f"n:{SENT}".encode(),
                          headers=[("idempotency-key", quote(SENT).encode())], lane=0),
                NewRecord(b"{", key=f"n:{SENT}".encode(), lane=0),
                NewRecord(command_json(user=SENT, segment_id=77), key=b"k", lane=1),
                NewRecord(user="bob"), NewRecord(user="Zoe@example.com"),
            ],
        )  # fmt: skip
        (folder / "lines.ndjson").write_text(import_line(SENT, network_id="n"), "utf-8")
        assert (await run(settings, "import", str(folder / "lines.ndjson"))).code == 0
        sent = ("send", "--network", "n", "--user", SENT, "--segment", "1", "--status", "block")
        assert (await run(settings, *sent)).code == 0
        await folded(settings)
        await until(
            settings, "SELECT count(*) > 0 FROM reporting.event WHERE user_status = 'expire'"
        )
        await folded(settings)
        there = f"/networks/n/users/{quote(name, safe='')}/segments"
        assert (await client.get(there)).status_code in (200, 404)
        assert (
            await client.get("/networks/n/users/segments", params={"user": SENT})
        ).status_code < 500
        assert (
            await client.get("/networks/n/segments/1/members", params={"user": SENT})
        ).status_code < 500
        explained = ("explain", "--network", "n", "--segment", "1", "--user", SENT)
        assert (await run(settings, *explained)).code == 0
        assert (await run(settings, "rejected", "retry", "--reason", "unknown_segment")).code == 0
        await folded(settings)


@asynccontextmanager
async def running(settings: Settings, url: str) -> AsyncIterator[list[Any]]:
    with processes(settings, *ROLES) as started:
        async with httpx.AsyncClient(base_url=url) as client:

            async def is_ready() -> bool:
                try:
                    return (await client.get("/health/ready")).status_code == 200
                except httpx.TransportError:
                    return False

            await holds(is_ready)
        yield started


async def test_nothing_but_what_the_receipt_names_holds_an_erased_identifier_in_any_spelling(
    ready: Settings, tmp_path: Path
) -> None:
    """Guarantee 4."""
    sealed = tmp_path / "seal"
    port = free_port()
    settings = ready.model_copy(
        update={
            "http_port": port, "seal_dir": sealed, "seal_key_file": tmp_path / "seal.key",
            "seal_origin": "example.com/log", "seal_every_seconds": 0.2,
        }
    )  # fmt: skip
    await run(settings, "segment", "create", "--network", "n", "--name", "two", "--id", "2")
    assert (await run(settings, "seal", "key")).code == 0
    url = f"http://127.0.0.1:{port}"
    async with running(settings, url) as started:
        await use(settings, url, tmp_path)
        async with connected(settings) as connection:
            await connection.execute("ANALYZE")
        before = await tables(settings)
        assert {"segments.person", "segments.event", "segments.rejected"} <= set(before)
        assert "pg_catalog.pg_statistic" in before
        assert await topics(settings) == {"commands", "rejected", "memberships"}

        erased = await run(
            settings, "erase", "--network", "n", "--user", SENT.upper(),
            "--reason", "asked", "--json",
        )  # fmt: skip
        assert erased.code == 0, erased.err
        number = int(erased.json["erased_as"].removeprefix("erased:"))
        await until(settings, f"SELECT erasure_id >= {number} FROM projections.tombstone_outbox")
        await until(settings, "SELECT count(*) > 0 FROM segments.seal_checkpoint")

        assert set(await tables(settings)) <= {"pg_catalog.pg_statistic"}
        async with connected(settings) as connection:
            for statement in VACUUM:
                await connection.execute(statement)
        assert await tables(settings) == {}
        assert await topics(settings) == {"commands", "rejected"}
        assert files(sealed) == {}
        after = {
            command: result.out + result.err
            for command in (
                "status",
                "rejected list",
                "lane list",
                "audit",
                "retroactive --since 0",
            )
            for result in [await run(settings, *command.split(), "--json")]
        }
        assert lines(after) == []
        assert lines({process.role: process.output() for process in started}) == []
        for process in started:
            process.stop()
    named = " ".join(erased.json["remains"])
    assert [statement for statement in VACUUM if statement not in named] == []
    await sound(settings)
