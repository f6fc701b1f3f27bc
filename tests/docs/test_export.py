"""The examples of the page on exports do what they say, from the top to the bottom in one folder."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import blocks, read
from tests.projections.folding import fold, log
from tests.support.database import value
from tests.support.lane import command_json
from tests.support.roles import environment

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
PAGE = "docs/export.md"


def at_work(settings: Settings, folder: Path, *command: str) -> str:
    """Run a program in the folder; a real one, as `segments` is called by its name."""
    env = environment(settings)
    env["PATH"] = f"{sys.prefix}/bin:{env['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_the_export_page_exports_reads_folds_and_restores(
    database: Settings, second: Settings, tmp_path: Path
) -> None:
    first, since, folding, full, restoring = blocks(read(PAGE), "sh", marked=True)
    by_duckdb, by_pandas, by_polars, by_pyarrow, compare = blocks(read(PAGE), "python", marked=True)
    async with log(database, segments=[("acme", 1)]) as (lane,):
        await lane.append(
            command_json(network_id="acme", user="jo@example.com"),
            command_json(network_id="acme", user="x", user_status="enter"),
        )
        await fold(database)
        assert "event: 2 rows" in at_work(database, tmp_path, "/bin/sh", "-ec", first)
        await lane.append(
            command_json(network_id="acme", user="jo@example.com", user_status="block")
        )
        await fold(database)
    assert "event: 1 row\n" in at_work(database, tmp_path, "/bin/sh", "-ec", since)
    members = at_work(database, tmp_path, sys.executable, "-c", by_duckdb)
    assert "│          1 │       2 │" in members
    grouped = at_work(database, tmp_path, sys.executable, "-c", by_pandas)
    assert "add            1\n" in grouped
    assert "enter          1\n" in grouped
    assert "segment_id" in at_work(database, tmp_path, sys.executable, "-c", by_polars)
    assert at_work(database, tmp_path, sys.executable, "-c", by_pyarrow) == "1\n"
    assert "result: 3 rows" in at_work(database, tmp_path, "/bin/sh", "-ec", folding)
    at_work(database, tmp_path, sys.executable, "-c", compare)
    at_work(database, tmp_path, "/bin/sh", "-ec", full)
    assert "event: 3 rows\n" in at_work(second, tmp_path, "/bin/sh", "-ec", restoring)
    assert await value(second, "SELECT reporting.snapshot()") == await value(
        database, "SELECT reporting.snapshot()"
    )
