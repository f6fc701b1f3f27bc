"""The examples of the documentation work as they stand, on a real Kafka and Postgres."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from segments.cli import main
from tests.docs.generated import DOCS
from tests.docs.pages import PAGES, blocks, read
from tests.http.client import api_running
from tests.support.database import connected, folded, make_segments, rows, value
from tests.support.roles import command_line, environment, service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

API_PAGES = [
    "docs/api.md",
    *(f"docs/api/{name}.md" for name in ("publish", "batch", "read", "results", "segments")),
]
ANALYSTS_PAGES = [
    "docs/analysts.md",
    *(f"docs/analysts/{path.name}" for path in sorted((DOCS / "analysts").glob("*.md"))),
]


async def call(settings: Settings, line: str) -> str:
    """Run one line of a shell example that calls `segments`; the loop goes on meanwhile."""
    program, *arguments = shlex.split(line, comments=True)
    assert program == "segments", line
    done = await asyncio.to_thread(command_line, settings, *arguments)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    return done.stdout


async def python(settings: Settings, source: str, **variables: str) -> str:
    """Run a Python example as a program of its own."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", source],
        env=environment(settings) | variables, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


async def shell(
    settings: Settings, script: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a shell example as it stands, with `segments` on its PATH; it ends at the first call that fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = await asyncio.to_thread(
        subprocess.run, ["/bin/sh", "-ec", script],
        env=environment(settings) | {"PATH": path} | variables,
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def values(text: str) -> list[Any]:
    """Read JSON values that stand one after the other."""
    found = []
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        one, end = decoder.raw_decode(text)
        found.append(one)
        text = text[end:]
    return found


def lines(text: str) -> list[str]:
    return [
        line
        for block in blocks(text, "sh", marked=True)
        for line in block.splitlines()
        if line.strip() and not line.startswith("#")
    ]


@pytest.mark.stack
async def test_the_publishers_examples_publish_what_they_say(settings: Settings) -> None:
    page = read("docs/publishers.md")
    for line in lines(page):
        await call(settings, line)
    (signing,) = blocks(read("docs/publishers/signing.md"), "python", marked=True)
    (publishing,) = blocks(read("docs/publishers/clients.md"), "python", marked=True)
    await python(settings, signing)
    printed = await python(settings, publishing)
    topic, _, offset = printed.strip().split(":")
    assert (topic, int(offset)) == (f"{settings.topic_prefix}.commands", 0)
    async with service(settings):
        await folded(settings)
    (sent,) = blocks(page, "sql")
    assert [row["outcome"] for row in await rows(settings, sent)] == ["applied"]
    found = await rows(settings, "SELECT user_id, cause, reference_id FROM reporting.membership")
    assert {(row["user_id"], row["cause"], row["reference_id"]) for row in found} == {
        ("jo@example.com", "add", "ticket-4711"),
        ("C-4711", "enter", "rule-8:C-4711:1"),
    }


@pytest.mark.stack
async def test_the_readme_examples_do_what_they_say(settings: Settings) -> None:
    commands, over_http = blocks(read("README.md"), "sh", marked=True)
    sent = commands.splitlines()
    async with service(settings), api_running(settings) as api:
        told = [await call(settings, line) for line in sent]
        done = await shell(settings, over_http, API=api.url)
        (ask,) = blocks(read("README.md"), "sql")
        async with connected(settings, "segments_report") as connection:
            await connection.execute(ask)
    assert sent[0].startswith("segments segment create")
    assert told[0].strip() == "1"
    assert "jo@example.com" in told[-1]
    assert "applied" in told[-1]
    assert done.stdout.startswith('{"status":"queued"'), done.stdout + done.stderr


@pytest.mark.stack
async def test_the_calls_of_the_api_pages_do_what_they_say(settings: Settings) -> None:
    """From the top to the bottom in one shell, that knows no more than where the servers are."""
    page = "\n".join(block for name in API_PAGES for block in blocks(read(name), "sh", marked=True))
    async with service(settings), api_running(settings) as api:
        done = await shell(settings, page, API=api.url)
    first, one, waited, dry, many, members, ben, sizes, created, changed = values(done.stdout)
    assert first == 1
    assert (one["status"], one["reference_id"]) == ("queued", "ticket-4711")
    assert waited["outcome"] == "applied"
    assert (dry["outcome"], dry["after"]["override"]) == ("applied", None)
    assert [item["status"] for item in many["items"]] == [201, 400]
    assert [
        member["segment_id"] for member in members["members"] if member["user_id"] == "ben"
    ] == []
    assert (ben["segments"][0]["override"], ben["segments"][0]["description"]) == (
        "block",
        "Reseller",
    )
    assert [size["segment_id"] for size in sizes["sizes"]] == [1]
    assert (created["segment_id"], changed["segment_id"]) == (60, 60)
    assert changed["archived_at"] is not None


@pytest.mark.stack
async def test_the_loop_of_the_batch_page_sends_again_just_what_was_not_taken(
    settings: Settings,
) -> None:
    """Also where its key may send less, and the process takes less, than it has at once."""
    await make_segments(settings, [("acme", 1)])
    (loop,) = blocks(read("docs/api/batch.md"), "python", marked=True)
    given = {"http_rate_limit": "800/second", "http_publish_bytes": 2**20}
    async with service(settings), api_running(settings.model_copy(update=given)) as api:
        key = await api.key("acme")
        both = [python(settings, loop, API=api.url, KEY=key) for _ in range(2)]
        assert await asyncio.gather(*both) == ["[]\n", "[]\n"]
        await folded(settings)
        assert await value(settings, "SELECT count(*) FROM reporting.event") == 2000
        assert await value(settings, "SELECT count(*) FROM reporting.duplicate") == 2000


@pytest.mark.stack
async def test_every_query_of_the_analysts_pages_runs_with_the_analysts_role(
    settings: Settings,
) -> None:
    for line in lines(read("docs/publishers.md")):
        await call(settings, line)
    async with service(settings):
        await folded(settings)
    found: dict[str, list[dict[str, object]]] = {}
    async with connected(settings, "segments_report") as connection:
        for name in ANALYSTS_PAGES:
            for query in blocks(read(name), "sql"):
                found[query] = [dict(row) for row in await connection.fetch(query)]
    assert len(found) >= 10
    of = {re.sub(r"\s+", " ", query): answer for query, answer in found.items()}

    def answer(part: str) -> list[dict[str, object]]:
        (one,) = (rows for query, rows in of.items() if part in query)
        return one

    assert [row["user_id"] for row in answer("AND segment_id = 1 ORDER BY since;")] == [
        "jo@example.com"
    ]
    assert [row["is_member"] for row in answer("AND user_id = reporting.norm")] == [True]
    assert [row["members"] for row in answer("test accounts")] == [1]
    assert [row["user_id"] for row in answer("at the end of June")] == ["jo@example.com"]
    assert [row["outcome"] for row in answer("changed_override")] == ["applied"]
    calendar = answer("segment_size_calendar")
    assert len(calendar) > 7
    assert {row["members"] for row in calendar} == {1}


@pytest.mark.stack
async def test_an_extraction_by_watermarks_takes_each_change_once(ready: Settings) -> None:
    """The two statements of the page, with their literals replaced by what they stand for."""
    watermark, take = (
        query
        for query in blocks(read("docs/analysts/extract.md"), "sql")
        if "recorded_until FROM" in query or "last time's recorded_until" in query
    )
    take = take.replace("'2025-06-06 16:00+00'", "$1").replace("'2025-06-06 17:00+00'", "$2")
    copied: dict[str, bool] = {}
    taken = 0
    last = datetime(2000, 1, 1, tzinfo=UTC)
    async with service(ready):
        for status in ("add", "block"):
            for user in ("ann", "ben"):
                await call(
                    ready, f"segments send --network n --user {user} --segment 1 --status {status}"
                )
            await folded(ready)
            newest = await value(ready, "SELECT max(recorded_at) FROM reporting.event")
            new = await value(ready, watermark)
            while new is None or new <= newest:
                new = await value(ready, watermark)
            changed = await rows(ready, take, last, new)
            copied |= {str(row["user_id"]): bool(row["is_member"]) for row in changed}
            taken += len(changed)
            last = new
    assert taken == 4
    assert copied == {"ann": False, "ben": False}


def test_every_call_of_segments_that_pages_show_is_one_that_it_takes() -> None:
    """Also those that are not run: commands and options exist, required ones are given."""
    shown = [
        line.strip()
        for page in PAGES
        for block in blocks(page.read_text("utf-8"), "sh")
        for line in block.splitlines()
        if re.match(r" *(\.venv/bin/)?segments ", line)
    ]
    assert len(shown) > 10
    for line in shown:
        _, *arguments = shlex.split(line.partition(" > ")[0], comments=True)
        command: click.Command | None = main
        while isinstance(command, click.Group) and arguments:
            _, command, arguments = command.resolve_command(click.Context(command), arguments)
        assert command is not None, line
        command.make_context(line, arguments)
