"""Databases that are not set up or that can't be used: what each program prints before it ends."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest

from segments.cli import dry_run, inspect
from service.kafka.clients import set_up_topics
from service.postgres.database import database_url
from service.postgres.migrate import set_up_database
from service.runtime.errors import UnsuitableDatabaseError
from service.runtime.secret import SecretStr
from tests.support.command_line import run
from tests.support.database import connected, value
from tests.support.roles import command_line

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_a_new_login_is_missed_by_check_and_the_setup_after_says_what_it_granted(
    settings: Settings, plain: Settings
) -> None:
    login = await value(plain, "SELECT session_user")
    missing = await run(plain, "setup", "--check")
    assert (missing.code, missing.out) == (1, "")
    assert f"run `segments setup`. Its login {login} was granted none of segments_in" in missing.err
    ended = await asyncio.to_thread(command_line, plain, "project")
    assert (ended.returncode, "was granted none" in ended.stderr) == (1, True)
    granted = await run(plain, "setup", "--json")
    grants, claimed = granted.json["done"]
    assert "belong to this installation" in claimed
    assert grants.startswith(f"granted roles to {login}: segments_ingest, ")
    assert (await run(plain, "setup")).out == "nothing to do\n"
    assert (await run(plain, "setup", "--check")).out == "everything is set up\n"
    async with connected(settings) as connection:
        await connection.execute(f"REVOKE segments_operate FROM {login}")
    part = await run(plain, "setup", "--check")
    assert part.err.endswith("run `segments setup`. Its login may not act as segments_operate.\n")


@pytest.mark.parametrize("role", ["api", "ingest", "project"])
async def test_a_role_ends_before_it_begins_where_the_database_is_not_set_up(
    empty: list[Settings], role: str
) -> None:
    await set_up_topics(empty[0])
    ended = await asyncio.to_thread(command_line, empty[0], role)
    assert (ended.returncode, ended.stdout) == (1, "")
    # No port was opened and no group joined: that would be told.
    assert ended.stderr == (
        "Error: The database is not set up for this program; run `segments setup`.\n"
    )


@pytest.mark.parametrize("role", ["api", "ingest", "project"])
async def test_a_role_ends_before_it_begins_where_there_is_no_such_database(
    empty: list[Settings], role: str
) -> None:
    await set_up_topics(empty[0])
    url = empty[0].database_url
    assert url is not None
    wrong = SecretStr(url.get_secret_value().rpartition("/")[0] + "/nobody_made_it")
    ended = await asyncio.to_thread(
        command_line, empty[0].model_copy(update={"database_url": wrong}), role
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert 'Postgres: database "nobody_made_it" does not exist.' in ended.stderr


async def test_a_cluster_that_was_never_set_up_is_told_so(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests' cluster has the roles, so here the program asks for one that it does not have."""
    for command in (inspect, dry_run):
        monkeypatch.setattr(command, "ROLE", "segments_nobody")
    send = ("send", "--network", "n", "--user", "u", "--segment", "1", "--status", "add")
    for arguments in (("status",), (*send, "--dry-run")):
        result = await run(database, *arguments)
        assert (result.code, result.out) == (1, "")
        assert result.err == (
            "Error: The database is not set up for this program; run `segments setup`.\n"
        )


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
async def test_a_database_that_is_not_utf8_is_refused_in_words_before_anything_is_written(
    database: Settings, encoding: str
) -> None:
    name = f"test_{uuid.uuid4().hex[:16]}"
    url = SecretStr(f"{database_url(database).rpartition('/')[0]}/{name}")
    other = database.model_copy(update={"database_url": url})
    async with connected(database) as owner:
        await owner.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        try:
            refused = await run(other, "setup", "--no-topics")
            assert (refused.code, refused.out) == (1, "")
            assert f"Its encoding is {encoding}, which can't store every text" in refused.err
            written = await value(
                other,
                "SELECT count(*) FROM pg_namespace WHERE nspname IN ('segments', 'migrations')",
            )
            assert written == 0
            ended = await asyncio.to_thread(command_line, other, "ingest")
            assert (ended.returncode, f"encoding is {encoding}" in ended.stderr) == (1, True)
        finally:
            await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_database_that_is_read_only_is_refused_in_words(empty: list[Settings]) -> None:
    one = empty[0]
    async with connected(one) as connection:
        name = database_url(one).rpartition("/")[2]
        await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(UnsuitableDatabaseError, match="default_transaction_read_only is on"):
        await set_up_database(one)
