"""Runs roles of the service as processes, or in the test's event loop."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from projections.fold.worker import project
from service.ingest.role import ingest
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from service.runtime.settings import Settings


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a process with these settings."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("SEGMENTS_")}
    env["SEGMENTS_LOG_FORMAT"] = "console"
    for name in settings.explicit:
        value = getattr(settings, name)
        if value is not None:
            secret = getattr(value, "get_secret_value", None)
            env[f"SEGMENTS_{name.upper()}"] = str(secret() if secret else value)
    return env


def command_line(
    settings: Settings,
    *arguments: str,
    timeout: float = PATIENCE,
    stdin: int | None = None,
    code: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end. stdin: a file descriptor; default: this process's. code: as for Process."""
    return subprocess.run(
        [sys.executable, "-c", "from segments.cli import main; main()", *arguments],
        env=environment(settings), capture_output=True, text=True, timeout=timeout, check=False, stdin=stdin,
        cwd=code,
    )  # fmt: skip


class Process:
    """A role, or another command, as a process. own_session: as a daemon; Linux may distribute CPU time by session.

    code: a folder with the packages of another version of the program.
    """

    def __init__(
        self,
        settings: Settings,
        role: str,
        *arguments: str,
        own_session: bool = False,
        code: Path | None = None,
    ) -> None:
        self.role = role
        handle, path = tempfile.mkstemp(prefix=f"segments-{role}-", suffix=".log")
        self._log = Path(path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from segments.cli import main; main()", role, *arguments],
            env=environment(settings), stdout=handle, stderr=subprocess.STDOUT,
            start_new_session=own_session, cwd=code,
        )  # fmt: skip
        os.close(handle)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def output(self) -> str:
        """Its output so far."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    async def wait_for_output(self, text: str, seconds: float = PATIENCE) -> None:
        """Wait until its output contains `text`."""
        deadline = time.monotonic() + seconds
        while text not in self.output():
            assert self.running, self.output()
            assert time.monotonic() < deadline, self.output()
            await asyncio.sleep(0.02)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait()
        self._log.unlink(missing_ok=True)

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self, timeout: float = PATIENCE) -> tuple[int, str]:
        """Stop it with SIGTERM; return exit code and output."""
        if self.running:
            self.resume()
            self._process.terminate()
        return self.wait(timeout)

    def wait(self, timeout: float = PATIENCE) -> tuple[int, str]:
        """Wait for its end; return exit code and output."""
        code = self._process.wait(timeout)
        output = self.output()
        self._log.unlink(missing_ok=True)
        return code, output


@contextmanager
def processes(settings: Settings, *roles: str, code: Path | None = None) -> Iterator[list[Process]]:
    """Run roles as processes while the block runs; kill those still running at its end. code: as for Process."""
    started = [Process(settings, role, code=code) for role in roles]
    try:
        yield started
    finally:
        for process in started:
            if process.running:
                process.kill()


@asynccontextmanager
async def service(
    settings: Settings,
    *roles: Callable[[Settings, asyncio.Event], Awaitable[None]],
) -> AsyncIterator[None]:
    """Run roles in this event loop while the block runs; default: ingest and projections."""
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(role(settings, stop)) for role in roles or (ingest, project)]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)
