"""`python -m tests.siege.hostile KIND…`: read a target from stdin, attack it until its time is over, print the tally.

It ends when stdin closes too: whoever started it is gone then. It is nicer than the service that it attacks, for it is
the service that is measured and not the machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import threading
from typing import TYPE_CHECKING

from tests.siege.hostile.kinds import KINDS
from tests.siege.hostile.target import Siege, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

NICE = 10


async def attack(target: Target, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Run attacks side by side; gives the tally of each. Raises: what an attack did not expect, by its own fault."""
    sieges = {name: Siege(target, random.Random(f"{target.seed} {name}")) for name in names}  # noqa: S311 - seeded
    tasks = [asyncio.ensure_future(KINDS[name](siege)) for name, siege in sieges.items()]
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


def main() -> None:
    """Print one line of JSON."""
    os.nice(NICE)
    target = Target(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    print(json.dumps(asyncio.run(attack(target, sys.argv[1:]))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
