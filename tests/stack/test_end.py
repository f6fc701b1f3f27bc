"""However the starting process ends, no server outlives it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from stack import Stack, guard
from tests.support.waiting import PATIENCE

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("timed")]  # the jars are there, or skip

RUNNING = ["-m", "stack"]
PAUSED = [
    "-c",
    """
from stack import StackOptions, start_stack
with start_stack(StackOptions(allow_docker=False)) as stack:
    stack.kafka.pause()
    stack.postgres.pause()
    print(stack.database_url)
    print(stack.bootstrap_servers, flush=True)
    input()
""",
]


@contextmanager
def started(arguments: list[str], **given: str) -> Iterator[subprocess.Popen[str]]:
    """A process that starts a stack and has printed its two addresses."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("SEGMENTS_")}
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**environment, "DOCKER_HOST": "none:", **given},
    ) as process:
        assert process.stdout is not None
        try:
            assert all(process.stdout.readline() for _ in range(2))
            yield process
        finally:
            process.kill()


def offspring(process: subprocess.Popen[str]) -> tuple[set[int], Path]:
    """The process ids of all it started, and the folder of its data."""
    children = psutil.Process(process.pid).children(recursive=True)
    folders = set()
    for child in children:
        with suppress(psutil.NoSuchProcess):  # a session that ended since
            # One that is about to end may be nowhere any more.
            if child.name() == "postgres" and (Path(child.cwd()) / "PG_VERSION").exists():
                folders.add(Path(child.cwd()).parents[1])
    (folder,) = folders
    return {child.pid for child in children}, folder


@pytest.mark.parametrize("arguments", [RUNNING, PAUSED], ids=["running", "paused"])
def test_killing_the_starting_process_leaves_no_server_and_no_data_behind(
    arguments: list[str],
) -> None:
    with started(arguments) as process:
        pids, folder = offspring(process)
        process.send_signal(signal.SIGKILL)
        assert guard.await_end(pids, PATIENCE) == set()
    assert [entry.name for entry in folder.iterdir()] == ["logs"]
    for log in folder.rglob("*.log"):
        log.unlink()
    (folder / "logs").rmdir()
    folder.rmdir()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_in_order_and_leaves_nothing(local: Stack, number: signal.Signals) -> None:
    """Kafka is given to it, so that this is quick."""
    with started(RUNNING, SEGMENTS_KAFKA_BOOTSTRAP_SERVERS=local.bootstrap_servers) as process:
        pids, folder = offspring(process)
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert guard.living(pids) == set()
    assert not folder.exists()
