"""`python -m benchmarks [--only NAME ...] [--runs N] [--quick] [--large]`."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from benchmarks import report
from benchmarks.figures import ALL
from benchmarks.world import find_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.figure import Figure, Sample
    from benchmarks.world import Place


def main() -> int:
    """Measure, print and store the figures; 1 if a figure could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=sorted(ALL), metavar="NAME", help=", ".join(sorted(ALL))
    )
    parser.add_argument(
        "--runs", type=int, default=3, help="runs of each figure; the report has their median"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small loads, nothing written to RESULTS.md"
    )
    parser.add_argument(
        "--large", action="store_true", help="10M events instead of 1M, where a figure has both"
    )
    options = parser.parse_args()
    with find_place(quick=options.quick, large=options.large) as place:
        return asyncio.run(_run(place, options.only or list(ALL), options.runs))


async def _run(place: Place, names: list[str], runs: int) -> int:
    """Measure; on SIGTERM remove databases, topics and processes first."""
    measuring = asyncio.ensure_future(_measure(place, names, runs))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, measuring.cancel)
    try:
        return await measuring
    except asyncio.CancelledError:
        return 1


async def _measure(place: Place, names: list[str], runs: int) -> int:
    failed = 0
    for name in names:
        samples: list[Sample] = []
        load, _, _ = os.getloadavg()
        for run in range(runs):
            try:
                samples += await ALL[name].measure(place)
            except Exception as error:  # noqa: BLE001 - the other figures are still to be measured
                failed = 1
                print(
                    f"{name}, run {run + 1}: {type(error).__name__}: {error}",
                    file=sys.stderr,
                    flush=True,
                )
        lines = {
            figure.name: report.row(figure, mine, load)
            for figure in ALL[name].FIGURES
            if (mine := [sample for sample in samples if sample.figure == figure.name])
        }
        print(*lines.values(), sep="\n", flush=True)
        if lines and not place.quick:
            command = f"python -m benchmarks --only {name} --runs {runs}{' --large' * place.large}"
            about = await report.about(place, command)
            report.write(lines, [figure.name for figure in _figures()], about)
    return failed


def _figures() -> Iterator[Figure]:
    for module in ALL.values():
        yield from module.FIGURES


if __name__ == "__main__":
    sys.exit(main())
