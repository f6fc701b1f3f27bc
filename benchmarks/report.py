"""The report: medians and ranges, to stdout and, figure by figure, into RESULTS.md."""

from __future__ import annotations

import os
import platform
import re
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import aiokafka
import asyncpg
import psutil
from aiokafka.admin import AIOKafkaAdminClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.figure import Figure, Limits, Sample
    from benchmarks.world import Place

RESULTS = Path(__file__).with_name("RESULTS.md")
HEADER = "| figure | goal | measured: median (range) of runs | limit beside it | met? | when, load average before |"
RULE = "|---|---|---|---|---|---|"


def number(value: float) -> str:
    """Format a number with its significant digits."""
    if abs(value) >= 1000:
        return f"{round(value, 2 - len(str(int(abs(value)))) + 1):,.0f}"
    return f"{value:.3g}"


def row(figure: Figure, samples: Sequence[Sample], load: float) -> str:
    """Return a figure's line of the table. load: the load average before its first run, from other processes."""
    values = [sample.value for sample in samples]
    median = statistics.median(values)
    limits = _medians([sample.limits for sample in samples])
    notes = _medians([sample.notes for sample in samples])
    spread = f"{number(min(values))} to {number(max(values))}, {len(values)} runs"
    measured = f"**{number(median)}** {figure.unit} ({spread})"
    beside = "; ".join(
        [
            *(
                f"{name}: {number(value)} ({_ratio(median, value)})"
                for name, value in limits.items()
            ),
            *(f"{name}: {number(value)}" for name, value in notes.items()),
        ]
    )
    met = "yes" if figure.met(median, {**limits, **notes}) else "**no**"
    if load > (os.cpu_count() or 1):
        met += "; machine busy with other things, measure again"
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    return f"| {figure.name} | {figure.goal} | {measured} | {beside} | {met} | {when}, load {load:.1f} |"


def _medians(of: Sequence[Limits]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in of) for name in of[0]}


def _ratio(value: float, limit: float) -> str:
    return f"{value / limit:.2f} of it" if limit else "-"


def write(lines: dict[str, str], order: Iterable[str], about: str) -> None:
    """Write the lines of the measured figures to RESULTS.md; the lines of other figures stay.

    lines: by the figure's name; order: the names of all figures.
    """
    kept = _read() | lines
    names = [name for name in order if name in kept]
    names += [name for name in kept if name not in names]
    text = ["# Results", "", about, "", HEADER, RULE, *(kept[name] for name in names), ""]
    RESULTS.write_text("\n".join(text), encoding="utf-8")


def _read() -> dict[str, str]:
    if not RESULTS.exists():
        return {}
    lines = RESULTS.read_text(encoding="utf-8").splitlines()
    rows = {
        line.split(" | ")[0].removeprefix("| "): line for line in lines if line.startswith("| ")
    }
    rows.pop("figure", None)
    return rows


async def about(place: Place, command: str) -> str:
    """Describe the machine, the versions and the command of a run."""
    connection = await asyncpg.connect(place.database_url)
    try:
        postgres = await connection.fetchval("SELECT current_setting('server_version')")
        settings = await connection.fetch(
            "SELECT name, current_setting(name) AS value FROM pg_settings WHERE name IN"
            " ('shared_buffers', 'synchronous_commit', 'fsync', 'wal_compression') ORDER BY name"
        )
    finally:
        await connection.close()
    memory = psutil.virtual_memory().total / 2**30
    shown = ", ".join(f"{setting['name']} = {setting['value']}" for setting in settings)
    kernel = f"{platform.system()} {platform.release()}"
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    return f"""\
Last run: `{command}`, {when} UTC, load average at its end {os.getloadavg()[0]:.1f}.

- Machine: {os.cpu_count()} cores, {memory:.0f} GiB, {kernel}. All on it: Kafka, Postgres, service and load.
- Python {platform.python_version()}, Postgres {postgres} ({shown}), Kafka {await _kafka(place)},
  aiokafka {aiokafka.__version__}, asyncpg {asyncpg.__version__}.
- Each figure in a database and topics of its own, its limit in the same run on the same rows. How it is measured
  stands in its module under `figures/` and in `flows.py`; what a limit is, in `limits.py`."""


async def _kafka(place: Place) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=place.bootstrap_servers)
    await admin.start()
    try:
        brokers = len((await admin.describe_cluster())["brokers"])
    finally:
        await admin.close()
    return f"{_kafka_version()}, {brokers} broker(s)"


def _kafka_version() -> str:
    """Read the broker's version from its class path, because the protocol has no version."""
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "java":
            match = re.search(
                r"kafka-clients-([0-9.]+)\.jar", " ".join(process.info["cmdline"] or [])
            )
            if match:
                return match[1]
    return "of unknown version"
