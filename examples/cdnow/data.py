"""The source of the purchases: CDNOW_master.txt, fetched once into the user's cache folder.

The data: every purchase until 1998-06-30 of the 23,570 customers who first bought at the music
shop CDNOW in January to March 1997. Published by Peter Fader and Bruce Hardie ("Forecasting Repeat
Sales at CDNOW: A Case Study", Interfaces 31, 2001). The file is part of the MIT-licensed
wheel `lifetimes` 0.11.3, which is fetched without its dependencies and never installed or committed.
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
    """One line of the file: one order of a customer."""

    customer: str
    """Five digits, "00001" to "23570"."""
    day: dt.date
    """From 1997-01-01 to 1998-06-30; the file has no time of day."""
    cds: int
    """How many CDs."""
    cents: int
    """The price in US cents; 0 for a few free ones."""


def load() -> list[Purchase]:
    """Read all 69,659 purchases in the file's order (customer, day); fetch the file if necessary.

    Raises DataUnavailableError if it is not in the cache and can't be fetched.
    """
    path = cached()
    content = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(content).hexdigest() != SHA256:
        content = _fetch(path)
    lines = content.decode("ascii").splitlines()
    return [_purchase(line) for line in lines[1:]]


def cached() -> Path:
    """Return the path of the file: `segments/cdnow` in XDG_CACHE_HOME, by default `~/.cache`."""
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
    """Download the wheel, extract the file, check it, and move it to `path` atomically."""
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
    """Fetch the wheel with this interpreter's pip, from the configured index."""
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
    """Read the file from the wheel, and check that it is the version of these figures."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(MEMBER)
    except (KeyError, zipfile.BadZipFile) as error:
        raise _unavailable(cached(), f"{wheel.name} does not contain {MEMBER}: {error}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise _unavailable(cached(), f"its sha256 is {digest}, not {SHA256}")
    return content


def _unavailable(path: Path, why: str) -> DataUnavailableError:
    """Build the error, with the cause and what to do."""
    return DataUnavailableError(
        f"The CDNOW purchases could not be fetched.\n{why}\n"
        f"They are in the wheel {REQUIREMENT} as {MEMBER}. Make `{sys.executable} -m pip download "
        f"--no-deps {REQUIREMENT}` work, or put that file at {path} yourself."
    )
