"""dbt in its own venv, as a process with a login that may do no more than an analyst with a schema of its own."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from service.postgres.database import database_url
from tests.docs.generated import ROOT

if TYPE_CHECKING:
    from service.runtime.settings import Settings

DBT = Path(sys.prefix) / "dbt/bin/dbt"
PROJECT = ROOT / "analytics/dbt_segments"
TILES = sorted((ROOT / "analytics/tiles").glob("*.sql"))


@dataclass
class Dbt:
    """Runs dbt on one target. folder: what it writes; variables: of the project."""

    target: str
    folder: Path
    environment: dict[str, str]
    variables: dict[str, Any] = field(default_factory=dict)

    def run(self, command: str, *words: str, code: int = 0) -> str:
        """Run a command of dbt; skip without dbt, except in CI. Gives what it printed."""
        if not DBT.exists() and not os.environ.get("CI"):
            pytest.skip("no dbt: make dbt")
        done = subprocess.run(
            [DBT, *command.split(), *words, "--target", self.target, "--vars", json.dumps(self.variables)],
            cwd=PROJECT,
            env=os.environ
            | {
                "DBT_PROFILES_DIR": str(PROJECT), "DBT_TARGET_PATH": str(self.folder / "target"),
                "DBT_LOG_PATH": str(self.folder / "logs"), "DBT_USE_COLORS": "false", "DO_NOT_TRACK": "1",
            }
            | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def artefact(self, name: str) -> Any:
        """Read a JSON that dbt wrote beside what it ran."""
        return json.loads((self.folder / "target" / name).read_text("utf-8"))

    def described(self) -> set[tuple[str, str]]:
        """The models' columns that have a description."""
        return {
            (node["name"], column)
            for node in self.artefact("manifest.json")["nodes"].values()
            if node["resource_type"] == "model"
            for column, told in node["columns"].items()
            if told["description"]
        }


async def on_postgres(settings: Settings, folder: Path) -> Dbt:
    """Make a login with role segments_report and a schema `analytics`, as the page says."""
    url = urlsplit(database_url(settings))
    login, password = f"dbt_{secrets.token_hex(6)}", secrets.token_hex(12)
    owner = await asyncpg.connect(database_url(settings))
    try:
        await owner.execute(f"CREATE ROLE {login} LOGIN PASSWORD '{password}'")
        await owner.execute(f"GRANT segments_report TO {login}")
        await owner.execute(f"CREATE SCHEMA analytics AUTHORIZATION {login}")
    finally:
        await owner.close()
    return Dbt(
        "postgres",
        folder,
        {
            "PGHOST": url.hostname or "", "PGPORT": str(url.port or 5432), "PGDATABASE": url.path.lstrip("/"),
            "PGUSER": login, "PGPASSWORD": password,
        },
    )  # fmt: skip


async def forget(settings: Settings, dbt: Dbt) -> None:
    """Drop the login: roles outlive a database."""
    login = dbt.environment["PGUSER"]
    owner = await asyncpg.connect(database_url(settings))
    try:
        await owner.execute(f"DROP OWNED BY {login} CASCADE")
        await owner.execute(f"DROP ROLE {login}")
    finally:
        await owner.close()


def on_export(export: Path, folder: Path) -> Dbt:
    """Read a whole export into a file of DuckDB."""
    return Dbt(
        "parquet",
        folder,
        {"SEGMENTS_DUCKDB": str(folder / "segments.duckdb")},
        {"segments_export": str(export)},
    )
