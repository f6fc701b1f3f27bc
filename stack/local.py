"""A server run as a process of this machine."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stack import guard
from stack.errors import PortTakenError, StackError
from stack.home import SERVER_ENVIRONMENT, Home

_LOOK_EVERY = 0.03
_STOP_PATIENCE = 180.0
_LAST_LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How a server is started, stopped, and checked."""

    name: str
    command: list[str]
    folder: Path
    log_file: Path
    answers: Callable[[], bool]
    stop_signal: signal.Signals
    """An orderly shutdown."""
    discard_signal: signal.Signals
    """The fastest shutdown without leftovers, for when the data is discarded."""
    start_patience: float = 300.0


class LocalPart:
    """One server and its children, in a session of their own."""

    def __init__(self, program: Program, home: Home) -> None:
        """The server is not started yet."""
        self._program = program
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the server; StackError if it is not running."""
        return self._running().pid

    @property
    def log_file(self) -> Path | None:
        """The log file of the server."""
        return self._program.log_file

    def start(self) -> None:
        """Start it, and return when it responds."""
        if self._process is not None and self._process.poll() is None:
            raise StackError(
                f"{self._program.name} is already running, as process {self._process.pid}"
            )
        with self._program.log_file.open("ab") as log:
            begin = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 - commands are built in this package
                self._program.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._program.folder,
                env=dict(SERVER_ENVIRONMENT),
                start_new_session=True,
                **self._home.identity(),
            )
        self._home.watch(self._process.pid, self._program.discard_signal)
        try:
            self._await_answer(begin)
        except BaseException:
            self.discard()
            raise

    def stop(self) -> None:
        """Shut it down in order, and wait for its end."""
        process = self._running()
        self.resume()
        process.send_signal(self._program.stop_signal)
        try:
            process.wait(_STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise StackError(
                f"{self._program.name} did not stop within {_STOP_PATIENCE:.0f} s and was killed;"
                f" see {self._program.log_file}"
            ) from None
        self._home.forget(process.pid)

    def kill(self) -> None:
        """SIGKILL it and all its children, like a power failure, and wait for their end."""
        process = self._running()
        self.pause()  # so that it can't fork an unknown child
        members = guard.family(process.pid)
        guard.send(members, signal.SIGKILL)
        process.wait()
        guard.await_end(members, _STOP_PATIENCE)
        self._home.forget(process.pid)

    def pause(self) -> None:
        """SIGSTOP it and all its children: connections stay open without responses."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)
        guard.send(guard.family(process.pid), signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT it after `pause`."""
        guard.send(guard.family(self._running().pid), signal.SIGCONT)

    def restart(self) -> None:
        """`stop`, then `start`."""
        self.stop()
        self.start()

    def discard(self) -> None:
        """Stop it at once, in any state; its data is discarded."""
        if self._process is None:
            return
        if self._process.poll() is None:
            guard.end({self._process.pid: self._program.discard_signal})
        self._process.wait()
        self._home.forget(self._process.pid)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise StackError(f"{self._program.name} is not running; start it first")
        return self._process

    def _await_answer(self, begin: int) -> None:
        process = self._running()
        deadline = time.monotonic() + self._program.start_patience
        while True:
            if process.poll() is not None:
                self._explain(f"ended with code {process.returncode} while starting", begin)
            with contextlib.suppress(OSError):
                if self._program.answers():
                    return
            if time.monotonic() > deadline:
                self._explain(f"did not respond within {self._program.start_patience:.0f} s", begin)
            if self._home.cancelled.wait(_LOOK_EVERY):
                raise StackError(f"the start of {self._program.name} was cancelled")

    def _explain(self, what: str, begin: int) -> None:
        output = self._program.log_file.read_bytes()[begin:].decode(errors="replace")
        kind = PortTakenError if "Address already in use" in output else StackError
        last = "\n".join(output.splitlines()[-_LAST_LINES:])
        raise kind(f"{self._program.name} {what}; its log is {self._program.log_file}:\n{last}")
