"""Runs the command line in this process, on a thread and event loop of its own: faster than a process per call."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pwd
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from segments.cli import main
from tests.support.roles import environment

if TYPE_CHECKING:
    from service.runtime.settings import Settings


@dataclass(frozen=True)
class CommandResult:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def run(settings: Settings | None, *arguments: str, **environ: str | None) -> CommandResult:
    """Run one command to its end; an exception that did not become a message fails the test."""
    return await asyncio.to_thread(_run, settings, arguments, environ)


def _run(
    settings: Settings | None, arguments: tuple[str, ...], environ: dict[str, str | None]
) -> CommandResult:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    env: dict[str, str | None] = {name: None for name in os.environ if name.startswith("SEGMENTS_")}
    if settings is not None:
        env |= environment(settings)
    try:
        result = CliRunner().invoke(main, arguments, env=env | environ)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return CommandResult(result.exit_code, result.stdout, result.stderr)


def system_user() -> str:
    """Return the default actor."""
    return f"{pwd.getpwuid(os.geteuid()).pw_name}@{socket.gethostname()}"


def import_line(user: str, **more: Any) -> str:
    """Return a line of NDJSON to import, with its newline."""
    return json.dumps({"user": user, "segment_id": 1, "user_status": "add"} | more) + "\n"
