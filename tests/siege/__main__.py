"""`python -m tests.siege`: a siege of some minutes, its report printed and written; exit 1 if a guarantee is broken."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from tests.siege.failovers import FAILOVERS
from tests.siege.plan import all_attacks, long_plan
from tests.siege.siege import besiege


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.siege", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=20, help="of the siege; the guarantees take more"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, default=Path("siege-report.txt"), help="and .json")
    parser.add_argument(
        "--attacks", type=_names, default=all_attacks(), help="with commas: only these"
    )
    parser.add_argument("--without", type=_names, default=(), help="with commas: all but these")
    parser.add_argument("--failovers", type=_names, default=tuple(FAILOVERS), help="with commas")
    parser.add_argument(
        "--beside-others",
        action="store_true",
        help="attackers take processor time from others: on a machine that does other work they never get any else",
    )
    arguments = parser.parse_args()
    unknown = {*arguments.attacks, *arguments.without} - {*all_attacks()}
    unknown |= {*arguments.failovers} - {*FAILOVERS}
    if unknown:
        known = ", ".join((*all_attacks(), *FAILOVERS))
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {known}")
    return arguments


def main() -> int:
    """Give the exit code: 0 when all guarantees hold."""
    given = _arguments()
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:6.0f} s  {text}\n")

    attacks = tuple(name for name in given.attacks if name not in given.without)
    plan = long_plan(
        given.minutes,
        given.seed,
        attacks,
        given.failovers,
        attackers_give_way=not given.beside_others,
    )
    report = asyncio.run(besiege(plan, say))
    report.write(given.report)
    sys.stdout.write(report.text())
    return 1 if report.broken() else 0


if __name__ == "__main__":
    sys.exit(main())
