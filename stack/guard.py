"""The guard: a tiny process beside the stack that ends it when the starting process is gone.

PR_SET_PDEATHSIG would not do: it fires when the starting *thread* ends, does not reach a stopped
process, and exists on Linux alone. The guard reads orders from a pipe, one a line: `watch PID
SIGNAL`, `forget PID`, `end`. It ends everything watched and removes the data when told to, when the
pipe closes, or when its parent changes (a forked child of the starter may hold the pipe open).

Run by its path with `python -I -S`, so it imports the standard library alone.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_LOOK_EVERY = 0.5
_PATIENCE = 8.0


def _parents() -> dict[int, int]:
    """Give the parent of each process that lives; a zombie has ended and is left out."""
    parents = {}
    if Path("/proc/self/stat").exists():
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    # the name in parentheses may itself hold spaces and parentheses
                    state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                    if state not in "ZX":
                        parents[int(entry.name)] = int(parent)
        return parents
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="],  # noqa: S607 - where there is no /proc: macOS
        capture_output=True,
        text=True,
        check=True,
    )
    for line in listing.stdout.splitlines():
        pid, parent, state = line.split()[:3]
        if not state.startswith("Z"):
            parents[int(pid)] = int(parent)
    return parents


def living(pids: set[int]) -> set[int]:
    """Which of these processes have not ended."""
    return pids & _parents().keys()


def family(root: int) -> set[int]:
    """Give the process and all its descendants that live."""
    parents = _parents()
    found, grown = {root} & parents.keys(), True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return found


def send(pids: set[int], number: int) -> None:
    """Signal each process that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def await_end(pids: set[int], seconds: float) -> set[int]:
    """Wait until all have ended; give those that have not when the seconds have passed."""
    deadline = time.monotonic() + seconds
    while (left := living(pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def end(watched: dict[int, int]) -> None:
    """End each watched process with its own signal; what then still lives is killed."""
    families = {pid: family(pid) for pid in watched}
    for pid, number in watched.items():
        if pid in families[pid]:
            send({pid}, number)
            send(families[pid], signal.SIGCONT)  # one that is stopped would not hear the other
    everyone = set().union(*families.values())
    send(await_end(everyone, _PATIENCE), signal.SIGKILL)


def _orders(parent: int) -> dict[int, int]:
    """Follow orders until the end; give what is to be ended then."""
    watched: dict[int, int] = {}
    unread = b""
    while True:
        readable = select.select([0], [], [], _LOOK_EVERY)[0]
        if not readable:
            if os.getppid() != parent:
                return watched
            continue
        received = os.read(0, 4096)
        *lines, unread = (unread + received).split(b"\n")
        for line in lines:
            order, *numbers = line.split()
            if order == b"end":
                return watched
            if order == b"watch":
                watched[int(numbers[0])] = int(numbers[1])
            else:
                watched.pop(int(numbers[0]), None)
        if not received:
            return watched


def main() -> None:
    """Arguments: the starter's process id, the stack's folder (all of it but `logs` is removed)."""
    parent, home = int(sys.argv[1]), Path(sys.argv[2])
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    end(_orders(parent))
    for entry in home.iterdir() if home.exists() else ():
        if entry.name != "logs":
            shutil.rmtree(entry, ignore_errors=True)
    with contextlib.suppress(OSError):  # there are logs, or the starter removed them itself
        (home / "logs").rmdir()
        home.rmdir()


if __name__ == "__main__":
    main()
