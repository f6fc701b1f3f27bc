"""Runs the service by its command line, each call as a process of its own."""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

SEGMENTS = Path(sys.executable).with_name("segments")
PATIENCE_SECONDS = 300
_STOP_SECONDS = 60
_LAST_LINES = 15


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def post(url: str, body: str, key: str) -> str:
    """POST JSON with an API key and return the response. ProgramError on an error."""
    request = urllib.request.Request(  # noqa: S310 - a local port
        url, body.encode(), {"Authorization": f"Bearer {key}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            text: str = answer.read().decode()
            return text
    except OSError as error:
        raise ProgramError(f"POST {url} failed: {error}") from error


class ProgramError(RuntimeError):
    """A call of the command line failed; the message is its output."""


class Program:
    """`segments` with one environment: the same servers, the same topics."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """environment: the settings, SEGMENTS_…, and all other variables of the process."""
        self._environment = dict(environment)

    def call(self, *arguments: str) -> str:
        """Run one command and return its output. ProgramError if it fails."""
        done = subprocess.run(  # noqa: S603 - our own command line
            [SEGMENTS, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ProgramError(f"`segments {' '.join(arguments)}` failed:\n{done.stderr.strip()}")
        return done.stdout.rstrip()

    @contextlib.contextmanager
    def running(self, log_file: Path, port: int) -> Iterator["Running"]:
        """Run `segments run`, ready, while the block runs; then shut it down in order."""
        with log_file.open("w+b") as log:
            process = subprocess.Popen(  # noqa: S603 - our own command line
                [SEGMENTS, "run"],
                env=self._environment | {"SEGMENTS_HTTP_PORT": str(port)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            running = Running(process, log)
            try:
                running.await_ready(f"http://127.0.0.1:{port}/health/ready")
                yield running
            finally:
                running.stop()


class Running:
    """The process of `segments run`."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        """process: just started."""
        self._process = process
        self._log = log

    def await_ready(self, url: str) -> None:
        """Wait until the process is ready. ProgramError if it ends instead."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self._check()
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(url, timeout=5) as answer,  # noqa: S310 - a local port
            ):
                if answer.status == 200:
                    return
            time.sleep(0.05)
        raise ProgramError(
            f"`segments run` was not ready in {PATIENCE_SECONDS} s:\n{self._last_lines()}"
        )

    def wait(self) -> None:
        """Wait until it ends, which is a ProgramError."""
        self._process.wait()
        self._check()

    def stop(self) -> None:
        """Shut it down in order; kill it if it does not end."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _check(self) -> None:
        if (code := self._process.poll()) is not None:
            raise ProgramError(f"`segments run` ended with {code}:\n{self._last_lines()}")

    def _last_lines(self) -> str:
        self._log.seek(0)
        return b"".join(self._log.readlines()[-_LAST_LINES:]).decode("utf-8", "replace")
