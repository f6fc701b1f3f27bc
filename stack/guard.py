"""The guard: a small process beside the stack that stops it when the starting process is gone.

PR_SET_PDEATHSIG is not enough: it fires when the starting *thread* ends, does not reach a stopped
process, and exists only on Linux. The guard reads commands from a pipe, one per line: `watch PID
SIGNAL`, `forget PID`, `end`. It stops all watched processes and removes the data on `end`, when the
pipe closes, or when its parent changes (a forked child of the starter may hold the pipe open).

It is run by its path with `python -I -S`, so it imports only the standard library.
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
    """Return the parent of each running process; zombies have ended and are not included."""
    parents = {}
    if Path("/proc/self/stat").exists():
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    # the name in parentheses may contain spaces and parentheses
                    state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                    if state not in "ZX":
                        parents[int(entry.name)] = int(parent)
        return parents
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="],  # noqa: S607 - macOS, which has no /proc
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
    """Return the process and all its running descendants."""
    parents = _parents()
    members, grown = {root} & parents.keys(), True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in members} - members
        members |= more
        grown = bool(more)
    return members


def send(pids: set[int], number: int) -> None:
    """Signal each process that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def await_end(pids: set[int], seconds: float) -> set[int]:
    """Wait until all have ended; return those that have not after `seconds`."""
    deadline = time.monotonic() + seconds
    while (left := living(pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def end(watched: dict[int, int]) -> None:
    """Stop each watched process with its signal; kill what is still running afterwards."""
    families = {pid: family(pid) for pid in watched}
    for pid, number in watched.items():
        if pid in families[pid]:
            send({pid}, number)
            send(families[pid], signal.SIGCONT)  # a stopped process would not receive the other
    everyone = set().union(*families.values())
    send(await_end(everyone, _PATIENCE), signal.SIGKILL)


def _orders(parent: int) -> dict[int, int]:
    """Follow commands until the end; return the processes to stop."""
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
    """Arguments: the starter's process id, the stack's folders (all of them but `logs` is removed)."""
    parent, *folders = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    end(_orders(int(parent)))
    for folder in map(Path, folders):
        for entry in folder.iterdir() if folder.exists() else ():
            if entry.name != "logs":
                shutil.rmtree(entry, ignore_errors=True)
        for empty in (folder / "logs", folder):
            with contextlib.suppress(OSError):  # there are logs, or the starter removed it itself
                empty.rmdir()


if __name__ == "__main__":
    main()
