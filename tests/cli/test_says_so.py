"""What a command has to say before, or beside, what it does: missing settings, nobody, nothing there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from projections.operations.status import end_offsets
from service.registry import segments as registry
from tests.support.command_line import run, system_user
from tests.support.database import connected, rows

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings

SEND = ("send", "--network", "n", "--user", "u", "--segment", "1", "--status", "add")
DATABASE = "SEGMENTS_DATABASE_URL is not set."
KAFKA = "SEGMENTS_KAFKA_BOOTSTRAP_SERVERS is not set."
BOTH = "SEGMENTS_DATABASE_URL and SEGMENTS_KAFKA_BOOTSTRAP_SERVERS are not set."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("send", KAFKA),
        (" ".join(SEND), KAFKA),
        ("send --network n --user u --segment 0 --status add", KAFKA),
        ("import /no/such/file", KAFKA),
        ("rejected retry here", BOTH),
        ("lane adopt", BOTH),
        ("source allow --topic t", BOTH),
        ("source allow --topic t --no-topics", DATABASE),
        ("setup", BOTH),
        ("setup --no-topics", DATABASE),
        ("ingest", BOTH),
        ("segment create --network n", DATABASE),
        ("apply /no/such/file", DATABASE),
        ("status --wait -1", DATABASE),
        ("analyst grant", DATABASE),
    ],
)
async def test_a_missing_setting_is_named_before_all_else(arguments: str, message: str) -> None:
    result = await run(None, *arguments.split())
    assert (result.code, result.out) == (2, "")
    assert result.err[result.err.index("Error: ") :].startswith(f"Error: {message}")


async def test_a_dry_run_wants_the_database_alone(tmp_path: Path) -> None:
    file = tmp_path / "some.ndjson"
    file.write_text("{}\n")
    for arguments in (("send", "--dry-run"), ("import", str(file), "--dry-run")):
        result = await run(None, *arguments)
        assert (result.code, result.out) == (2, "")
        assert "Error: A dry run needs the log in Postgres: " + DATABASE in result.err


@pytest.mark.stack
async def test_who_names_no_actor_is_the_systems_user_at_its_host(ready: Settings) -> None:
    user = system_user()
    made = ("segment", "create", "--network", "n", "--name")
    assert (await run(ready, *made, "a", LOGNAME="mallory", USER="mallory")).code == 0
    assert (await run(ready, *made, "b", SEGMENTS_ACTOR="ann")).code == 0
    assert (await run(ready, *made, "c", "--actor", "ben", SEGMENTS_ACTOR="ann")).code == 0
    assert (await run(ready, *made, "d", "--actor", "")).code == 0
    await run(ready, "key", "create", "--network", "n", "--scope", "report")
    found = await rows(ready, "SELECT created_by FROM reporting.segment ORDER BY segment_id")
    assert [row["created_by"] for row in found][-4:] == [user, "ann", "ben", user]
    assert await rows(ready, "SELECT FROM segments.api_key WHERE created_by = $1", user)


@pytest.mark.stack
async def test_a_command_for_a_segment_that_is_not_there_is_not_published(ready: Settings) -> None:
    async with connected(ready) as connection:
        await registry.create(connection, network_id="n", name="gone", segment_id=2)
        await registry.set_archived(connection, network_id="n", segment_id=2, archived=True)
    missing = await run(ready, *SEND, "--segment", "9", "--json")
    assert (missing.code, missing.out) == (1, "")
    assert "There is no segment 9 in network n; nothing was published." in missing.err
    archived = await run(ready, *SEND, "--segment", "2")
    assert (archived.code, archived.out) == (1, "")
    assert "archived; nothing was published" in archived.err
    assert sum((await end_offsets(ready)).values()) == 0
    # It may be the repeat of a command; and where no database is to be asked, the ingest will say it.
    assert (await run(ready, *SEND, "--segment", "2", "--at", "1700000000")).code == 0
    away = "postgresql://u@127.0.0.1:1/d"
    for other in (None, away):
        sent = await run(ready, *SEND, "--segment", "9", SEGMENTS_DATABASE_URL=other)
        assert sent.code == 0, sent.err
    assert sum((await end_offsets(ready)).values()) == 3


@pytest.mark.stack
async def test_what_is_asked_for_and_not_there_is_said_beside_the_answer(ready: Settings) -> None:
    for asked in (("segment",), ("key",), ("rejected",), ("analyst",)):
        for network, note in (("n", ""), ("nn", "network nn has no segments")):
            result = await run(ready, *asked, "list", "--network", network, "--json")
            assert (result.code, note in result.err, bool(result.err)) == (0, True, bool(note))
            assert isinstance(result.json, list)
    key = ("explain", "--network", "n", "--segment", "1", "--user", " Jo@X")
    result = await run(ready, *key, "--json")
    assert (result.code, result.json) == (1, {"now": None, "events": [], "earlier": False})
    assert result.err == "Error: There is no event of user 'jo@x' in segment 1 of network n.\n"
    plain = await run(ready, *key)
    assert (plain.code, plain.out, plain.err) == (1, "", result.err)
    reason = await run(ready, "rejected", "list", "--reason", "conflicts", "--json")
    assert (reason.code, reason.out) == (2, "")
    assert "'conflict'" in reason.err
