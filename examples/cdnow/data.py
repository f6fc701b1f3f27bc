"""Where the purchases come from: CDNOW_master.txt, fetched once into the user's cache folder.

The data: every purchase until 1998-06-30 of the 23,570 customers who first bought at the music
shop CDNOW in January to March 1997. Published by Peter Fader and Bruce Hardie ("Forecasting Repeat
Sales at CDNOW: A Case Study", Interfaces 31, 2001). The copy read here lies in the MIT-licensed
wheel `lifetimes` 0.11.3; it is fetched without its dependencies and never installed or committed.
"""

import datetime as dt
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

REQUIREMENT = "lifetimes==0.11.3"
MEMBER = "lifetimes/datasets/CDNOW_master.txt"
SHA256 = "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef"
TIMEOUT_SECONDS = 120


class DataUnavailableError(RuntimeError):
    """The purchases could not be fetched; the message says why and what to do."""


class Purchase(NamedTuple):
    """One line of the file: what a customer bought in one order."""

    customer: str
    """Five digits, "00001" to "23570"."""
    day: dt.date
    """From 1997-01-01 to 1998-06-30; the file knows no hour."""
    cds: int
    """How many CDs."""
    cents: int
    """What was paid, in US cents; 0 for a few free ones."""


def load() -> list[Purchase]:
    """Read all 69,659 purchases in the file's order (customer, day), fetching the file if need be.

    Raises DataUnavailableError when it is not in the cache and cannot be fetched.
    """
    path = cached()
    content = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(content).hexdigest() != SHA256:
        content = _fetch(path)
    lines = content.decode("ascii").splitlines()
    return [_purchase(line) for line in lines[1:]]


def cached() -> Path:
    """Say where the file is kept: `segments/cdnow` in XDG_CACHE_HOME, by default `~/.cache`."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "segments" / "cdnow" / Path(MEMBER).name


def _purchase(line: str) -> Purchase:
    """Read one line, such as ` 00002 19970112  5   77.00`."""
    customer, day, cds, dollars = line.split()
    whole, hundredths = dollars.split(".")
    return Purchase(
        customer,
        dt.date(int(day[:4]), int(day[4:6]), int(day[6:])),
        int(cds),
        int(whole) * 100 + int(hundredths),
    )


def _fetch(path: Path) -> bytes:
    """Download the wheel, take the one file out, check it, and put it at `path` in one step."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            content = _member_of(_download(Path(folder)))
            fresh = Path(folder) / path.name
            fresh.write_bytes(content)
            fresh.replace(path)
    except OSError as error:
        raise _unavailable(path, f"{type(error).__name__}: {error}") from error
    return content


def _download(folder: Path) -> Path:
    """Let the pip of this interpreter fetch the wheel, by whatever index it is configured for."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    what = ["--no-deps", "--only-binary=:all:", "--dest", str(folder), REQUIREMENT]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, constant arguments
            [*pip, *what], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _unavailable(cached(), f"no answer within {TIMEOUT_SECONDS} s") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise _unavailable(cached(), done.stderr.strip() or "pip brought no wheel")
    return wheels[0]


def _member_of(wheel: Path) -> bytes:
    """Read the one file out of the wheel and make sure that it is the one these numbers are of."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(MEMBER)
    except (KeyError, zipfile.BadZipFile) as error:
        raise _unavailable(cached(), f"{wheel.name} does not hold {MEMBER}: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise _unavailable(cached(), f"its sha256 is {found}, not {SHA256}")
    return content


def _unavailable(path: Path, why: str) -> DataUnavailableError:
    """Build the error: what was wrong, where, and what to do."""
    return DataUnavailableError(
        f"The CDNOW purchases could not be fetched.\n{why}\n"
        f"They lie in the wheel {REQUIREMENT} as {MEMBER}. Let `{sys.executable} -m pip download "
        f"--no-deps {REQUIREMENT}` work, or put that file at {path} yourself."
    )
