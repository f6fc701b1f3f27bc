"""Copies a database with Postgres' own programs: `pg_dump` into a file, `pg_restore` into an empty database."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from service.runtime.errors import RefusedError, WrongUseError

if TYPE_CHECKING:
    from pathlib import Path

_LAST_LINES = 10


async def dump(url: str, file: Path) -> None:
    """Write the database into a file, in pg_dump's custom format, in one read-only transaction.

    Raises: WrongUseError without pg_dump; RefusedError with what it said.
    """
    await _run("pg_dump", url, "--format=custom", f"--file={file}")


async def restore(url: str, file: Path, jobs: int) -> None:
    """Restore a dump. It ends at the first error. jobs: how many connections restore at once.

    Raises: WrongUseError without pg_restore; RefusedError with what it said.
    """
    await _run("pg_restore", url, "--exit-on-error", f"--jobs={jobs}", str(file))


def require_programs(*names: str) -> None:
    """Raises: WrongUseError if a program is not on the PATH."""
    for name in names:
        if shutil.which(name) is None:
            raise WrongUseError(
                f"({name} is not on the PATH; install Postgres' client programs, of the server's version or newer.)"
            )


async def _run(name: str, url: str, *arguments: str) -> None:
    require_programs(name)
    address, password = without_password(url)
    environment = os.environ | ({"PGPASSWORD": password} if password else {})
    process = await asyncio.create_subprocess_exec(
        name, f"--dbname={address}", "--no-password", *arguments,
        env=environment, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, said = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        last = "; ".join(said.decode(errors="replace").splitlines()[-_LAST_LINES:])
        raise RefusedError(f"({last or f'{name} ended with {process.returncode}'})")


def without_password(url: str) -> tuple[str, str | None]:
    """Return a URL without its password, which other users of the machine could see in a list of processes, and it."""
    parts = urlsplit(url)
    login, at, address = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    password = options.pop("password", "") or unquote(password)
    query = f"?{urlencode(options)}" if options else ""
    return f"{parts.scheme}://{user}{at}{address}{parts.path}{query}", password or None
