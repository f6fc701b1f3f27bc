"""Every statement kept in a file can be prepared on the database as it is set up, by the role that runs it."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pytest

from tests.support.database import connected

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
SQL = {
    "service.log.sql": "segments_ingest",
    "projections.fold.sql": "segments_project",
    "projections.queries.sql": "segments_api",
    "projections.dry_run.sql": "segments_api",
    "projections.operations.sql": "segments_operate",
}
"""Package of statements → the role that runs them."""
FILES = [
    (package, entry.name)
    for package in SQL
    for entry in sorted(resources.files(package).iterdir(), key=lambda entry: entry.name)
    if entry.name.endswith(".sql")
]


async def test_each_statement_can_be_prepared_by_its_role_and_begins_with_its_purpose(
    database: Settings,
) -> None:
    async with connected(database) as connection:
        for package, name in FILES:
            text = (resources.files(package) / name).read_text(encoding="utf-8")
            assert text.startswith("-- "), name
            await connection.execute(f"SET ROLE {SQL[package]}")
            await connection.execute("SET search_path = pg_catalog, segments")
            statement = await connection.prepare(text)
            for number in range(1, len(statement.get_parameters()) + 1):
                assert f"${number}" in text, f"{name} says nothing of parameter {number}"
            if name.startswith("verify"):
                columns = [(a.name, a.type.name) for a in statement.get_attributes()]
                assert columns == [(c, "text") for c in ("view", "key", "expected", "found")], name
