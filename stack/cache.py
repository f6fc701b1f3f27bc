"""What is fetched once and kept outside the repository."""

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from stack.errors import StackError

_LAST_LINES = 12


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Give `$XDG_CACHE_HOME/segments`, or `~/.cache/segments`."""
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "segments"


def fetched(target: Path, fetch: Callable[[Path], None]) -> Path:
    """Give the folder; if it is not there, have `fetch` fill one and move it there whole.

    Safe for two at once: one fetches under a lock, the other waits and finds it done.
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
            f"cannot keep files in {target.parent}: {error}; make it writable, or set"
            " XDG_CACHE_HOME to a folder that is"
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
    """Run Maven or pip; StackError with the end of what it printed, and the advice."""
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
        raise StackError(f"`{' '.join(command)}` failed; {advice}. It said:\n{last}")
