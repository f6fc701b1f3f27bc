"""`python -m tests.siege.hostile KIND…`: read a target from stdin, attack it until its time is over, print the tally.

It ends when stdin closes too: whoever started it is gone then. It stands for machines elsewhere, so once it has
started (it says so) it takes only processor time that nobody else wants, unless told not to; what its requests cause in
the service, Postgres and Kafka has full priority.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.siege.hostile.kinds import KINDS
from tests.siege.hostile.target import Siege, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

NICEST = 19
STARTED = "started"


async def attack(target: Target, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Run attacks side by side; gives the tally of each. Raises: what an attack did not expect, by its own fault."""
    sieges = {name: Siege(target, random.Random(f"{target.seed} {name}")) for name in names}  # noqa: S311 - seeded
    tasks = [asyncio.ensure_future(KINDS[name].run(siege)) for name, siege in sieges.items()]
    done, _ = await asyncio.wait(tasks, timeout=target.seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=10)
    for task in done:
        task.result()
    return {name: dict(siege.tally) for name, siege in sieges.items()}


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(3)


def _give_way() -> None:
    """Take nothing that another process wants; nor do threads that come later."""
    os.nice(NICEST)
    # Linux may share processor time out among sessions first; whoever starts this gives it one of its own.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICEST))
    if hasattr(os, "SCHED_IDLE"):  # Linux has it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def main() -> None:
    """Print a line when it begins, and one of JSON at the end."""
    target = Target(**json.loads(sys.stdin.readline()))
    print(STARTED, flush=True)  # noqa: T201
    if target.gives_way:
        _give_way()
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    print(json.dumps(asyncio.run(attack(target, sys.argv[1:]))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
