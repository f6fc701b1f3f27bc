"""`segment`, as an operator uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import run
from tests.support.database import rows

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_a_segment_is_created_listed_edited_archived_and_restored(database: Settings) -> None:
    made = await run(
        database, "segment", "create", "--network", "n", "--name", "one", "--actor", "ann"
    )
    assert (made.code, made.out) == (0, "1\n")
    second = await run(
        database, "segment", "create", "--network", "n", "--name", "ten", "--id", "10", "--hidden",
        "--description", "the tenth", "--json", SEGMENTS_ACTOR="env",
    )  # fmt: skip
    assert second.json["segment_id"] == 10
    assert (second.json["is_visible"], second.json["created_by"]) == (False, "env")
    for change in (
        ["edit", "--name", "zehn", "--visible"],
        ["archive", "--reason", "Over"],
        ["restore"],
    ):
        done = await run(database, "segment", change[0], "--network", "n", "--id", "10", *change[1:], "--json",
                         "--actor", "bob")  # fmt: skip
        assert done.code == 0, done.err
        assert (done.json["archived_at"] is not None) == (change[0] == "archive")
    listed = await run(database, "segment", "list", "--network", "n", "--json")
    assert [(row["segment_id"], row["segment_name"], row["is_visible"]) for row in listed.json] == [
        (1, "one", True), (10, "zehn", True),
    ]  # fmt: skip
    assert "zehn" in (await run(database, "segment", "list")).out
    history = await rows(
        database,
        "SELECT actor, archived, reason FROM reporting.segment_history WHERE segment_id = 10 ORDER BY valid_from",
    )
    assert [tuple(row.values()) for row in history] == [
        ("env", False, None), ("bob", False, None), ("bob", True, "Over"), ("bob", False, None),
    ]  # fmt: skip


async def test_a_taken_name_and_an_unknown_segment_end_with_1(database: Settings) -> None:
    create = ("segment", "create", "--network", "n", "--name", "one")
    await run(database, *create)
    await run(database, *create[:-1], "two")
    taken = await run(database, *create, "--json")
    assert (taken.code, taken.out) == (1, "")
    assert "that name or id. (network n, id 1, 'one')" in taken.err
    edited = await run(database, "segment", "edit", "--network", "n", "--id", "2", "--name", "one")
    assert "that name or id. (network n, id 1, 'one')" in edited.err
    same_id = await run(database, *create[:-1], "new", "--id", "2")
    assert (same_id.code, "(network n, id 2, 'two')" in same_id.err) == (1, True)
    unknown = await run(database, "segment", "archive", "--network", "n", "--id", "9")
    assert (unknown.code, unknown.out) == (1, "")
    assert "No such segment" in unknown.err


async def test_a_name_with_white_space_at_its_ends_is_wrong_use(database: Settings) -> None:
    await run(database, "segment", "create", "--network", "n", "--name", "One")
    for arguments in (("create", "--name", " One "), ("edit", "--id", "1", "--name", "One\u00a0")):
        result = await run(database, "segment", arguments[0], "--network", "n", *arguments[1:])
        assert (result.code, result.out) == (2, "")
        assert "white space" in result.err
    names = await rows(database, "SELECT segment_name FROM segments.segment")
    assert [row["segment_name"] for row in names] == ["One"]


async def test_no_more_segments_than_a_network_may_have_are_made_by_command_or_file(
    database: Settings, tmp_path: Path
) -> None:
    few = database.model_copy(update={"segments_per_network": 2})
    create = ("segment", "create", "--network", "n", "--name")
    assert (await run(few, *create, "one")).code == 0
    file = tmp_path / "segments.yaml"
    file.write_text(
        "network: n\nsegments:\n- {name: one}\n- {name: two}\n- {name: three}\n", "utf-8"
    )
    for arguments in (("apply", str(file), "--yes"), (*create, "two"), (*create, "three")):
        result = await run(few, *arguments)
        assert (result.code == 0) == (arguments[-1] == "two")
        assert (
            result.code == 0 or "SEGMENTS_SEGMENTS_PER_NETWORK allows. (2, network n)" in result.err
        )
    assert (await run(few, "segment", "create", "--network", "m", "--name", "one")).code == 0
    names = await rows(database, "SELECT segment_name FROM segments.segment WHERE network_id = 'n'")
    assert [row["segment_name"] for row in names] == ["one", "two"]
