"""The folder of a stack, its guard, and the account of its servers."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from stack import guard
from stack.errors import StackError


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged account of this machine."""

    user: int
    group: int


def unprivileged_account() -> Account | None:
    """Return the account to switch to; None unless this is root, because Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise StackError(
        "started by root, but there is neither an account `postgres` nor `nobody` to run the"
        " servers: create one (useradd --system postgres) or start as another user"
    )


class Identity(TypedDict, total=False):
    """The arguments of `subprocess` for the account of a program."""

    user: int
    group: int
    extra_groups: list[int]


class Home:
    """A temporary folder for one stack's data; its guard stops the servers when this process is gone."""

    def __init__(self, keep_logs_in: Path | None, data_in: Path | None = None) -> None:
        """Create the folder and start the guard. data_in: where the data has a folder of its own."""
        self.account = unprivileged_account()
        self.folder = Path(tempfile.mkdtemp(prefix="segments-stack-"))
        self._data = (
            Path(tempfile.mkdtemp(prefix="segments-data-", dir=data_in)) if data_in else self.folder
        )
        self._logs_wanted = keep_logs_in is not None
        self.logs = (keep_logs_in or self.folder) / (self.folder.name if keep_logs_in else "logs")
        self.logs.mkdir(parents=True)
        for folder in (self.folder, self._data):
            self._give(folder)
        self.cancelled = threading.Event()
        self._guard = subprocess.Popen(  # noqa: S603 - our own file
            [
                *(sys.executable, "-I", "-S", guard.__file__, str(os.getpid())),
                *{str(self.folder), str(self._data)},
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that Ctrl-C reaches only this process
            cwd="/",
        )

    def data(self, name: str) -> Path:
        """Create an empty folder for the servers' account; an existing one is removed."""
        return self._empty(self._data / name)

    def programs(self, name: str) -> Path:
        """The same for what is executed; a file system in memory may forbid that."""
        return self._empty(self.folder / name)

    def _empty(self, folder: Path) -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        self._give(folder)
        return folder

    def reachable(self, tree: Path) -> Path:
        """Return the tree, or a linked copy, because the account may have no access to it (/root)."""
        if self.account is None:
            return tree
        copy = self.folder / tree.name
        if not copy.exists():
            shutil.copytree(tree, copy, symlinks=True, copy_function=_link_or_copy)
        return copy

    def run(self, command: list[str]) -> tuple[int, str]:
        """Run a short command as the servers' account; return its exit code and its output."""
        with subprocess.Popen(  # noqa: S603 - commands are built in this package
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=dict(SERVER_ENVIRONMENT),
            start_new_session=True,
            **self.identity(),
        ) as process:
            self.watch(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            self.forget(process.pid)
        return process.returncode, output

    def identity(self) -> Identity:
        """Return the arguments that make `subprocess` switch to the account."""
        if self.account is None:
            return {}
        return {"user": self.account.user, "group": self.account.group, "extra_groups": []}

    def watch(self, pid: int, number: int) -> None:
        """Have the guard stop a process by this signal if this process ends before `forget`."""
        self._order(f"watch {pid} {int(number)}")

    def forget(self, pid: int) -> None:
        """Remove a process that has ended."""
        self._order(f"forget {pid}")

    def close(self, *, failed: bool) -> None:
        """Have the guard stop the remaining processes and remove the data; logs stay after a failure."""
        self._order("end")
        self._guard.communicate()
        if self._logs_wanted or not failed:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _order(self, line: str) -> None:
        assert self._guard.stdin is not None  # noqa: S101 - tells the type checker of PIPE
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.write(f"{line}\n".encode())
            self._guard.stdin.flush()

    def _give(self, folder: Path) -> None:
        if self.account is not None:
            os.chown(folder, self.account.user, self.account.group)


# Servers get only this environment, so that variables of the caller (PGDATA, LD_PRELOAD, JAVA_TOOL_OPTIONS, secrets) do
# not affect them.
SERVER_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
