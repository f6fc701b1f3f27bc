"""Driving the servers of a stack that stays: port and data survive all of it."""

import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from stack import Part, Stack, StackError
from stack.wire import kafka_answers, postgres_answers
from tests.stack.speaking import ask, first_value, make_topic, publish
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.fault


def restart(part: Part) -> None:
    part.restart()


def kill_and_start(part: Part) -> None:
    part.kill()
    part.start()


def kill_paused_and_start(part: Part) -> None:
    part.pause()
    part.kill()
    part.start()


def stop_paused_and_start(part: Part) -> None:
    part.pause()
    part.stop()
    part.start()


@pytest.mark.parametrize("again", [restart, kill_and_start])
async def test_kafka_keeps_its_records(local: Stack, again: Callable[[Part], None]) -> None:
    topic = await make_topic(local.bootstrap_servers)
    await publish(local.bootstrap_servers, topic, b"kept")
    before = local.kafka.pid
    again(local.kafka)
    assert local.kafka.pid != before
    assert await first_value(local.bootstrap_servers, topic) == b"kept"


@pytest.mark.parametrize(
    "again", [restart, kill_and_start, kill_paused_and_start, stop_paused_and_start]
)
async def test_postgres_keeps_what_was_committed(
    local: Stack, again: Callable[[Part], None]
) -> None:
    await ask(local.database_url, "DROP TABLE IF EXISTS kept")
    await ask(local.database_url, "CREATE TABLE kept AS SELECT 7 AS value")
    before = local.postgres.pid
    again(local.postgres)
    assert local.postgres.pid != before
    assert await ask(local.database_url, "SELECT value FROM kept") == 7


def test_a_paused_part_takes_connections_and_answers_nobody_until_resumed(local: Stack) -> None:
    kafka_port = int(local.bootstrap_servers.rpartition(":")[2])
    postgres_port = urlsplit(local.database_url).port
    assert postgres_port is not None
    questions: list[tuple[Part, Callable[[], bool]]] = [
        (local.kafka, lambda: kafka_answers(kafka_port)),
        (local.postgres, lambda: postgres_answers(postgres_port, "segments")),
    ]
    for part, answers in questions:
        part.pause()
        try:
            with pytest.raises(TimeoutError):
                answers()
        finally:
            part.resume()
        assert answers_soon(answers)


def answers_soon(answers: Callable[[], bool]) -> bool:
    """Ask again where an answer takes longer than one question waits, on a busy machine."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(TimeoutError):
            return answers()
        assert time.monotonic() < deadline


def test_a_part_that_does_not_run_says_so(local: Stack) -> None:
    local.postgres.stop()
    try:
        for use in (lambda: local.postgres.pid, local.postgres.stop, local.postgres.pause):
            with pytest.raises(StackError, match="Postgres is not running; start it first"):
                use()
    finally:
        local.postgres.start()


def test_a_part_that_runs_is_not_started_twice(local: Stack) -> None:
    with pytest.raises(StackError, match="Postgres is already running, as process"):
        local.postgres.start()
