"""`segments apply`: a network's segments as a file; the difference first, then all of it or nothing."""

from __future__ import annotations

import asyncio
import json
import os
import pty
from typing import TYPE_CHECKING, Any

import pytest

from service.registry import segments as registry
from tests.support.cases import cases
from tests.support.command_line import CommandResult, run
from tests.support.database import connected, rows, until
from tests.support.roles import command_line

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'segments_registry'
"""
FILE = """
network: shop
segments:
  - name: Power user
    description: Buys a lot
  - {name: Churned, id: 7, hidden: true}
  - name: Old
    archived: true
"""


async def apply(settings: Settings, path: Path, text: str, *options: str) -> CommandResult:
    file = path / "segments.yaml"
    await asyncio.to_thread(file.write_text, text, "utf-8")
    return await run(settings, "apply", str(file), "--actor", "ann", *options)


async def listed(settings: Settings) -> list[tuple[Any, ...]]:
    found = await rows(
        settings,
        "SELECT segment_id, segment_name, description, is_visible, archived_at FROM segments.segment"
        " ORDER BY segment_id",
    )
    return [(*list(row.values())[:4], row["archived_at"] is not None) for row in found]


async def changes(settings: Settings) -> int:
    return len(await rows(settings, "SELECT 1 FROM segments.registry_event"))


async def test_a_file_is_shown_then_applied_and_applied_again_is_no_change(
    database: Settings, tmp_path: Path
) -> None:
    shown = await apply(database, tmp_path, FILE, "--dry-run")
    assert (shown.code, await listed(database)) == (0, [])
    rows_shown = [line.split()[:3] for line in shown.out.splitlines()]
    assert rows_shown[1:] == [
        ["create", "8", "Power"], ["create", "7", "Churned"], ["create", "9", "Old"],
        ["3", "segments", "would"],
    ]  # fmt: skip
    foreseen = (await apply(database, tmp_path, FILE, "--dry-run", "--json")).json
    assert [one["segment_id"] for one in foreseen["difference"]] == [8, 7, 9]
    assert (foreseen["done"], foreseen["would_change"]) == (0, 3)
    assert await changes(database) == 0
    done = await apply(database, tmp_path, FILE, "--yes", "--json")
    assert done.json["done"] == 3
    assert await listed(database) == [
        (7, "Churned", None, False, False),
        (8, "Power user", "Buys a lot", True, False),
        (9, "Old", None, True, True),
    ]
    before = await changes(database)
    again = await apply(database, tmp_path, FILE, "--yes")
    assert (again.code, await changes(database)) == (0, before)
    assert "no difference" in again.out
    assert {
        row["actor"] for row in await rows(database, "SELECT actor FROM segments.registry_event")
    } == {"ann"}


async def test_a_difference_is_shown_as_json_values(database: Settings, tmp_path: Path) -> None:
    assert (await apply(database, tmp_path, FILE, "--yes")).code == 0
    less = "network: shop\nsegments:\n- name: Power user\n- name: Churned\n"
    shown = await apply(database, tmp_path, less, "--dry-run")
    assert 'description: "Buys a lot" -> null' in shown.out
    assert "hidden: true -> false" in shown.out


async def test_names_may_be_swapped_and_what_is_not_in_the_file_is_told_or_archived(
    database: Settings, tmp_path: Path
) -> None:
    await apply(database, tmp_path, FILE, "--yes")
    swapped = "network: shop\nsegments:\n- {id: 8, name: Churned}\n- {id: 7, name: Power user}\n"
    told = await apply(database, tmp_path, swapped, "--yes")
    assert "not in the file" in told.out
    assert [row[1] for row in await listed(database)] == ["Power user", "Churned", "Old"]
    await apply(database, tmp_path, "network: shop\nsegments: []\n", "--yes", "--archive-missing")
    assert [row[4] for row in await listed(database)] == [True, True, True]
    before = await changes(database)
    await apply(database, tmp_path, "network: shop\nsegments: []\n", "--yes", "--archive-missing")
    assert await changes(database) == before


async def test_a_name_that_another_segment_keeps_undoes_all_of_it(
    database: Settings, tmp_path: Path
) -> None:
    await apply(database, tmp_path, FILE, "--yes")
    before = await listed(database)
    clash = "network: shop\nsegments:\n- {name: New}\n- {id: 7, name: Old}\n"
    result = await apply(database, tmp_path, clash, "--yes")
    assert result.code == 1
    assert "has that name" in result.err
    assert await listed(database) == before


@pytest.mark.parametrize(
    ("there", "text", "message"),
    [
        (20, "{name: Testers, id: 7}", "already has that name or id. (network shop, 'Testers': ids 7 and 20)"),
        (2**31 - 1, "{name: New}", "specify a lower one. (network shop, 'New')"),
    ],
)  # fmt: skip
async def test_a_dry_run_foresees_what_would_fail_as_it_then_does_and_names_the_segment(
    database: Settings, tmp_path: Path, there: int, text: str, message: str
) -> None:
    stated = f"network: shop\nsegments:\n- {{name: Testers, id: {there}}}\n"
    assert (await apply(database, tmp_path, stated, "--yes")).code == 0
    before = (await listed(database), await changes(database))
    for option in ("--dry-run", "--yes"):
        result = await apply(database, tmp_path, f"network: shop\nsegments:\n- {text}\n", option)
        assert (result.code, result.out, message in result.err) == (1, "", True), result.err
        assert (await listed(database), await changes(database)) == before


async def test_without_a_terminal_and_without_yes_nothing_is_changed(
    database: Settings, tmp_path: Path
) -> None:
    result = await apply(database, tmp_path, FILE)
    assert (result.code, await listed(database)) == (2, [])
    assert "--yes" in result.err


@pytest.mark.parametrize(
    ("answers", "code", "message", "there"),
    [
        ("n", 1, "Nothing was changed", 0),
        ("y", 0, "Make these changes?", 3),
        ("\x04", 1, "Aborted", 0),
    ],
)
async def test_who_is_asked_on_a_terminal_and_does_not_agree_has_changed_nothing_and_is_told_by_the_exit_code(
    database: Settings, tmp_path: Path, answers: str, code: int, message: str, there: int
) -> None:
    file = tmp_path / "segments.yaml"
    await asyncio.to_thread(file.write_text, FILE, "utf-8")
    result = await asyncio.to_thread(_answered, database, answers, "apply", str(file))
    assert (result.returncode, message in result.stderr) == (code, True), result.stderr
    assert len(await listed(database)) == there


async def test_who_wants_json_and_is_asked_sees_the_difference_first_and_json_alone_on_stdout(
    database: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "segments.yaml"
    await asyncio.to_thread(file.write_text, FILE, "utf-8")
    result = await asyncio.to_thread(_answered, database, "y", "apply", str(file), "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["done"] == 3
    shown, _, _ = result.stderr.partition("Make these changes?")
    assert all(word in shown for word in ("create", "Power user", "hidden: true"))
    agreed = await run(database, "apply", str(file), "--json", "--yes")
    assert (agreed.json["done"], agreed.err) == (0, "")


def _answered(
    settings: Settings, answers: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line with a terminal as its standard input, on which this was typed."""
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, f"{answers}\n".encode())
        return command_line(settings, *arguments, stdin=terminal)
    finally:
        os.close(keyboard)
        os.close(terminal)


@cases(("text", "message"), [
    ("segments: []", "Name one network"),
    ("network: a b\nsegments: []", "network"),
    ("network: no\nsegments: []", "network: Input should be a valid string; YAML reads `no`"),
    ("network: 7\nsegments: []", "network: Input should be a valid string; put it in quotes"),
    ("network: [a]\nsegments: []", "network: Input should be a valid string\n"),
    ("network: n\nsegments:\n- {name: a}\n- {name: a}", "name twice: a"),
    ("network: n\nsegments:\n- {name: a, id: 1}\n- {name: b, id: 1}", "id twice: 1"),
    ("network: n\nsegments:\n- {name: a, name: b}", "line 3"),
    ("network: n\nsegments:\n- {name: a, hiden: true}", "segments.0.hiden"),
    ("network: n\nsegments:\n- {name: a, hidden: 'yes'}", "segments.0.hidden"),
    ("network: n\nsegments:\n- {name: ' '}", "segments.0.name"),
    ("network: n\nsegments:\n- {name: 'a '}", "segments.0.name: must neither"),
    ("network: n\nsegments: {", "line"),
    ("- 1", "the file"),
    ("network: !!python/object:os.system n", "line 1"),
    ("network: n\nsegments:\n- {name: 2024-13-45}", "line 3"),
    ("network: n\nsegments:\n- {name: a, id: " + "1" * 5000 + "}", "line 3"),
    ("network: n\nsegments: " + "[" * 5000, "recursion"),
    ('network: n\nsegments:\n- {name: "\\ud800"}', "segments.0.name: must be"),
    ('network: n\nsegments:\n- {name: a, description: "\\0"}', "segments.0.description: contains NUL"),
    ("network: n\nsegments:\n- {name: yes}", "segments.0.name"),
    ("network: n\nsegments:\n- &a {name: a}\n- {<<: *a, name: b}", "merge keys (<<) are not supported"),
    ("network: n\nsegments:\n- &a {name: a}\n- {<<: [*a], name: b}", "line 4, column 4"),
])  # fmt: skip
async def test_a_file_that_is_not_as_it_must_be_is_wrong_use_and_says_where(
    database: Settings, tmp_path: Path, text: str, message: str
) -> None:
    result = await apply(database, tmp_path, text, "--yes")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert await listed(database) == []


async def test_some_at_once_make_each_segment_once(database: Settings, tmp_path: Path) -> None:
    file = tmp_path / "segments.yaml"
    await asyncio.to_thread(file.write_text, FILE, "utf-8")
    async with connected(database) as connection:
        async with connection.transaction():
            await registry.lock(connection, "shop")
            # Processes: in threads they would share one standard output.
            running = [
                asyncio.create_task(
                    asyncio.to_thread(command_line, database, "apply", str(file), "--yes")
                )
                for _ in range(3)
            ]
            # Each has its difference, the same, and waits to apply it.
            await until(database, WAITING, lambda waiting: waiting == len(running))
        result = await asyncio.gather(*running)
    # Who said --yes agrees to the difference that is left once the others are done, too.
    assert [(one.returncode, one.stderr) for one in result] == [(0, "")] * len(result)
    assert sum("3 segments changed" in one.stdout for one in result) == 1
    assert len(await listed(database)) == 3
    assert await changes(database) == 4


async def test_ids_that_a_file_gives_are_not_taken_by_lines_above_that_give_none(
    database: Settings, tmp_path: Path
) -> None:
    text = "network: n\nsegments:\n- {name: a}\n- {name: b, id: 1}\n"
    result = await apply(database, tmp_path, text, "--yes")
    assert (result.code, result.err) == (0, "")
    assert [row[:2] for row in await listed(database)] == [(1, "b"), (2, "a")]


async def test_an_id_renames_and_the_old_name_is_free_for_another(
    database: Settings, tmp_path: Path
) -> None:
    await apply(database, tmp_path, "network: n\nsegments:\n- {name: a}\n", "--yes")
    text = "network: n\nsegments:\n- {id: 1, name: b}\n- {id: 2, name: a}\n"
    assert (await apply(database, tmp_path, text, "--yes")).code == 0
    assert [row[:2] for row in await listed(database)] == [(1, "b"), (2, "a")]


async def test_a_file_that_is_no_utf_8_is_told_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "segments.yaml"
    text = "network: n\nsegments:\n- name: Käufer\n"
    file.write_bytes(text.encode("cp1252"))
    result = await run(
        None, "apply", str(file), SEGMENTS_DATABASE_URL="postgresql://u@127.0.0.1:1/d"
    )
    assert (result.code, result.out) == (2, "")
    assert "save it as UTF-8, or convert it with `iconv -f CP1252 -t UTF-8`" in result.err
