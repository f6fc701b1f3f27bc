"""A cache outside the repository for downloads."""

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from stack.errors import StackError

_LAST_LINES = 12


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return `$XDG_CACHE_HOME/segments`, or `~/.cache/segments`."""
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "segments"


def fetched(target: Path, fetch: Callable[[Path], None]) -> Path:
    """Return the folder; if it does not exist, let `fetch` fill a temporary one and rename it.

    Safe for concurrent calls: one fetches under a lock, the others wait.
    """
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                _fetch_whole(target, fetch)
    except OSError as error:
        raise StackError(
            f"can't write to {target.parent}: {error}; make it writable, or set"
            " XDG_CACHE_HOME to a writable folder"
        ) from error
    return target


def _fetch_whole(target: Path, fetch: Callable[[Path], None]) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        fetch(unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def run_fetcher(
    command: list[str], *, folder: Path, environment: Mapping[str, str], advice: str
) -> None:
    """Run Maven or pip; StackError with the end of its output, and the advice."""
    done = subprocess.run(  # noqa: S603 - commands are built in this package
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(done.stdout.splitlines()[-_LAST_LINES:])
        raise StackError(f"`{' '.join(command)}` failed; {advice}. Its output:\n{last}")
