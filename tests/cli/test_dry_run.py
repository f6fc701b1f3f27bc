"""`send --dry-run` and `import --dry-run`: what they say is what then happens, and they publish nothing."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from segments.cli.tally import MOST_ERRORS
from tests.support.command_line import CommandResult, run
from tests.support.database import folded, rows, value
from tests.support.roles import service

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
AT = 1_700_000_000
NOTHING = {
    "is_member": False, "override": None, "automation_says": None, "member_since": None, "override_since": None,
    "expires_at": None,
}  # fmt: skip


async def dry(settings: Settings, status: str, *more: str, **environ: str | None) -> CommandResult:
    send = ("send", "--network", "n", "--user", "A@x", "--segment", "1", "--status", status)
    return await run(settings, *send, "--dry-run", *more, **environ)


async def test_send_tells_the_outcome_and_what_stands_before_and_after_without_a_broker(
    ready: Settings,
) -> None:
    nowhere = {"SEGMENTS_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    told = await dry(ready, "add", "--at", str(AT), "--expires", str(AT + 60), "--json", **nowhere)
    assert (told.code, told.err) == (0, "")
    assert told.json == {
        "outcome": "applied",
        "reason": None,
        "before": NOTHING,
        "after": NOTHING | {
            "is_member": True, "override": "add", "member_since": "2023-11-14T22:13:20+00:00",
            "override_since": "2023-11-14T22:13:20+00:00", "expires_at": "2023-11-14T22:14:20+00:00",
        },
    }  # fmt: skip
    plain = await dry(ready, "leave", **nowhere)
    assert plain.out.startswith("no_change; nothing published\n")
    assert await value(ready, "SELECT count(*) FROM segments.person") == 0
    status = await run(ready, "status", "--wait", "300", "--json")
    assert (status.code, status.json["behind"]) == (0, [])


async def test_send_tells_what_the_log_makes_of_it_now(ready: Settings) -> None:
    async with service(ready):
        sent = await run(
            ready, "send", "--network", "n", "--user", "a@X", "--segment", "1", "--status", "block", "--at", str(AT),
            "--reference", "r",
        )  # fmt: skip
        assert sent.code == 0
        await folded(ready)
    block = ("block", "--at", str(AT), "--reference", "r", "--json")
    assert (await dry(ready, *block)).json["outcome"] == "duplicate"
    assert (await dry(ready, "enter", "--json")).json["outcome"] == "ineffective"
    assert (await dry(ready, "add", "--at", str(AT - 1), "--json")).json["outcome"] == "superseded"
    told = (await dry(ready, "block", "--json")).json
    assert told["outcome"] == "no_change"
    assert told["before"] == told["after"]
    assert told["before"]["override"] == "block"
    conflict = await dry(ready, *block[:-1], "--description", "else")
    assert conflict.code == 1
    assert conflict.out.startswith("rejected; nothing published\n")
    assert "conflict: the same network, segment, user, time and reference_id" in conflict.err


async def test_send_that_would_be_rejected_ends_with_1_and_an_invalid_one_with_2(
    ready: Settings,
) -> None:
    unknown = await dry(ready, "add", "--segment", "7", "--json")
    assert (unknown.code, unknown.json["outcome"], unknown.json["reason"]) == (
        1, "rejected", "unknown_segment",
    )  # fmt: skip
    assert unknown.err == (
        "Error: It would be rejected: unknown_segment: no such segment in this network\n"
    )
    invalid = await dry(ready, "add", "--expires", "5")
    assert (invalid.code, invalid.out) == (2, "")


@pytest.mark.parametrize("what", ["send", "import"])
async def test_a_dry_run_without_a_database_says_that_it_needs_one(
    ready: Settings, tmp_path: Path, what: str
) -> None:
    path = tmp_path / "x.ndjson"
    path.write_bytes(b"{}\n")
    without: dict[str, str | None] = {"SEGMENTS_DATABASE_URL": None}
    told = (
        await dry(ready, "add", **without)
        if what == "send"
        else await run(ready, "import", str(path), "--dry-run", **without)
    )
    assert (told.code, told.out) == (2, "")
    assert "log in Postgres: SEGMENTS_DATABASE_URL is not set" in told.err


def line(user: str, status: str, after: int, **more: Any) -> dict[str, Any]:
    return {
        "user": user, "segment_id": 1, "user_status": status, "status_change_timestamp": AT + after,
    } | more  # fmt: skip


LINES = [
    line("a", "add", 10, reference_id="r"),
    line("A@x", "enter", 10),
    line("a", "add", 10, reference_id="r"),  # said again
    line("a@X", "enter", 10),
    line("a", "block", 10, reference_id="r"),  # in conflict with the first line
    line("a", "enter", 20),  # under its override
    line("a", "block", 5),  # earlier than it
    line("a", "reset", 30),
    line("a", "enter", 40),
    line("b", "leave", 0, segment_id=2),
    line("b", "add", 0, segment_id="2"),
    *[line(f"user {number}", "enter", number) for number in range(1100)],
]


async def test_import_counts_each_outcome_as_the_import_then_has_it(
    ready: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "x.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in LINES), encoding="utf-8")
    result = await run(ready, "import", str(path), "--network", "n", "--dry-run", "--json")
    assert result.code == 1
    assert result.err == "Error: 3 lines would be refused.\n"
    errors = result.json.pop("errors")
    assert [one["line"] for one in errors] == [5, 10, 11]
    assert [one["error"].partition(":")[0] for one in errors] == [
        "conflict", "unknown_segment", "invalid_field",
    ]  # fmt: skip
    outcomes = {
        "applied": 1103, "duplicate": 2, "rejected": 2, "ineffective": 1, "superseded": 1, "no_change": 1,
    }  # fmt: skip
    counts = {"lines": 1111, "published": 0, "refused": 3}
    assert {key: result.json[key] for key in (*counts, "outcomes")} == {
        **counts,
        "outcomes": outcomes,
    }
    assert not path.with_name("x.ndjson.progress").exists()
    async with service(ready):
        assert (await run(ready, "import", str(path), "--network", "n")).code == 1
        await folded(ready)
    found = await rows(ready, "SELECT outcome FROM reporting.result")
    assert Counter(row["outcome"] for row in found) == outcomes
    again = await run(ready, "import", str(path), "--network", "n", "--dry-run")
    assert again.out == "1108 duplicate\n2 rejected\n1111 lines, 0 published, 3 refused\n"
    assert "line 5: conflict: the same network" in again.err


async def test_import_keeps_no_more_than_the_first_errors_of_a_file_wrong_in_every_line(
    ready: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "x.ndjson"
    path.write_bytes(b"?\n" * (MOST_ERRORS + 5))
    result = await run(ready, "import", str(path), "--dry-run", "--json")
    assert (result.code, result.json["refused"], len(result.json["errors"])) == (
        1, MOST_ERRORS + 5, MOST_ERRORS,
    )  # fmt: skip
