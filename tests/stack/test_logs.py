"""Logs are kept when something went wrong, or when they were asked for; else nothing stays."""

import shutil
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stack import Stack, StackError, StackOptions, start_stack
from stack.cache import fetched


def test_a_server_that_does_not_start_is_quoted_and_its_log_kept(local: Stack) -> None:
    """Kafka is given, so that only the broken Postgres is started."""
    options = StackOptions(
        allow_docker=False,
        bootstrap_servers=local.bootstrap_servers,
        postgres_overrides={"shared_buffers": "plenty"},
    )
    with (
        pytest.raises(StackError, match="ended with code 1 while starting") as caught,
        start_stack(options),
    ):
        pass
    assert 'invalid value for parameter "shared_buffers"' in str(caught.value)
    logs = kept(caught.value)
    assert "shared_buffers" in (logs / "postgres.log").read_text()
    assert [entry.name for entry in logs.parent.iterdir()] == ["logs"]
    shutil.rmtree(logs.parent)


def test_a_failure_while_the_stack_is_used_keeps_the_logs_and_tells_where(local: Stack) -> None:
    options = StackOptions(allow_docker=False, bootstrap_servers=local.bootstrap_servers)
    with pytest.raises(ZeroDivisionError) as caught, start_stack(options) as stack:
        raise ZeroDivisionError
    logs = kept(caught.value)
    assert stack.log_files == (logs / "postgres.log",)
    assert "ready to accept connections" in (logs / "postgres.log").read_text()
    shutil.rmtree(logs.parent)


def test_a_broken_kafka_gives_up_the_start_of_postgres(tmp_path: Path) -> None:
    options = StackOptions(
        allow_docker=False, keep_logs_in=tmp_path, kafka_overrides={"process.roles": "nonsense"}
    )
    with pytest.raises(StackError, match="could not be formatted"), start_stack(options):
        pass


def test_logs_stay_where_they_are_wanted(local: Stack, tmp_path: Path) -> None:
    options = StackOptions(
        allow_docker=False, bootstrap_servers=local.bootstrap_servers, keep_logs_in=tmp_path
    )
    with start_stack(options) as stack:
        pass
    assert [file.relative_to(tmp_path).parts[1:] for file in stack.log_files] == [("postgres.log",)]
    assert all(file.exists() for file in stack.log_files)


def test_an_orderly_end_leaves_nothing(local: Stack) -> None:
    with tempfile.TemporaryDirectory() as name:
        elsewhere = Path(name)
        elsewhere.chmod(0o755)
        options = StackOptions(
            allow_docker=False, bootstrap_servers=local.bootstrap_servers, data_in=elsewhere
        )
        with start_stack(options) as stack:
            (log,) = stack.log_files
            assert log.exists()
            assert len(list(elsewhere.glob("*/postgres/data/PG_VERSION"))) == 1
        assert not log.parent.parent.exists()
        assert list(elsewhere.iterdir()) == []


def test_of_two_that_want_the_same_files_one_fetches_and_the_other_waits(tmp_path: Path) -> None:
    calls = []
    both = threading.Barrier(2, timeout=60)

    def fetch(folder: Path) -> None:
        calls.append(folder)
        (folder / "a.jar").write_text("jar")

    def want() -> Path:
        both.wait()
        return fetched(tmp_path / "jars", fetch)

    with ThreadPoolExecutor(2) as threads:
        found = [threads.submit(want) for _ in range(2)]
    assert {future.result() for future in found} == {tmp_path / "jars"}
    assert len(calls) == 1
    assert (tmp_path / "jars" / "a.jar").read_text() == "jar"


def kept(error: BaseException) -> Path:
    (note,) = error.__notes__
    return Path(note.removeprefix("The logs of the stack are kept in "))
