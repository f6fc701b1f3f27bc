"""Postgres as a local process, with production durability."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.errors import PortTakenError, StackError
from stack.home import Home
from stack.local import LocalPart, Program
from stack.ports import LOOPBACK, free_port
from stack.postgres_binaries import wheel_of
from stack.wire import postgres_answers

DATABASE = "segments"
_TRIES = 5

# fsync and synchronous_commit keep their default, on, so that tests have production durability.
POSTGRES_SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_connections": "300",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresTools:
    """The programs and options of a server."""

    binaries: Path
    overrides: Mapping[str, str]


def start_postgres(tools: PostgresTools, home: Home) -> tuple[str, LocalPart]:
    """Start a server with an empty database `segments`; return its URL and the part, ready."""
    binaries = _reachable(tools.binaries, home)
    folder = home.data("postgres")
    _make_cluster(binaries, folder / "data", home)
    for attempt in range(1, _TRIES + 1):
        port = free_port()
        try:
            part = _start_once(binaries, folder, port, tools.overrides, home)
        except PortTakenError:
            if attempt == _TRIES:
                raise
            continue
        return f"postgresql://postgres@{LOOPBACK}:{port}/{DATABASE}", part
    raise AssertionError("the last attempt returns or raises")


def _reachable(binaries: Path, home: Home) -> Path:
    """Return the programs at a path that the servers' account can read; a wheel is in the user's cache."""
    wheel = wheel_of(binaries)
    return binaries if wheel is None else home.reachable(wheel) / binaries.relative_to(wheel)


def _make_cluster(binaries: Path, data: Path, home: Home) -> None:
    command = [str(binaries / "initdb"), "--pgdata", str(data), "--username", "postgres"]
    command += ["--encoding=UTF8", "--auth=trust", "--no-sync", "--no-instructions"]
    for locale in ("C.UTF-8", "C"):  # not every machine has the first
        code, output = home.run([*command, f"--locale={locale}"])
        if code == 0:
            return
    raise StackError(f"{binaries / 'initdb'} failed:\n{output}")


def _start_once(
    binaries: Path, folder: Path, port: int, overrides: Mapping[str, str], home: Home
) -> LocalPart:
    settings = {
        "listen_addresses": LOOPBACK,
        "port": str(port),
        "unix_socket_directories": str(folder),
        **POSTGRES_SETTINGS,
        **overrides,
    }
    # In the file and not on the command line, so that ALTER SYSTEM works. The last line counts, so
    # a retry appends all settings again.
    with (folder / "data" / "postgresql.conf").open("a") as file:
        for name, value in settings.items():
            file.write("{} = '{}'\n".format(name, value.replace("'", "''")))
    part = LocalPart(
        Program(
            name="Postgres",
            command=[str(binaries / "postgres"), "-D", str(folder / "data")],
            folder=folder,
            log_file=home.logs / "postgres.log",
            answers=lambda: postgres_answers(port, "postgres"),
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
            discard_signal=signal.SIGQUIT,  # "immediate": ends all children, writes nothing
        ),
        home,
    )
    part.start()
    if not postgres_answers(port, "postgres", f"CREATE DATABASE {DATABASE}"):
        part.discard()
        raise StackError(f"the database {DATABASE} could not be created; see {part.log_file}")
    return part
