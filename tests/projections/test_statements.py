"""Every statement kept in a file can be prepared on the database as it is set up, by the role that runs it."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pytest

from tests.support.database import connected

if TYPE_CHECKING:
    from service.settings import Settings

pytestmark = pytest.mark.stack
FILES = [
    (package, entry.name)
    for package in ("projections.fold", "projections.reading", "service.log.sql")
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
            await connection.execute(f"SET ROLE {_role(package, name)}")
            await connection.execute("SET search_path = pg_catalog, segments")
            statement = await connection.prepare(text)
            for number in range(1, len(statement.get_parameters()) + 1):
                assert f"${number}" in text, f"{name} says nothing of parameter {number}"
            if name.startswith("verify"):
                columns = [(a.name, a.type.name) for a in statement.get_attributes()]
                assert columns == [(c, "text") for c in ("view", "key", "expected", "found")], name


def _role(package: str, name: str) -> str:
    if package == "service.log.sql":
        return "segments_ingest"
    if package == "projections.reading" or name.startswith("dry_run"):
        return "segments_api"
    return "segments_operate" if name.startswith("verify") else "segments_project"
