"""Every statement kept in a file can be prepared on the database as it is set up, by the role that runs it."""

from __future__ import annotations

import ast
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.database import connected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.runtime.settings import Settings

SQL = {
    "service.ingest.sql": "segments_ingest",
    "service.log.sql": "segments_ingest",
    "service.operations.sql": "segments_operate",
    "service.outbox.sql": "segments_ingest",
    "service.postgres.sql": "segments_owner",
    "service.registry.sql": "segments_registry",
    "service.seal.sql": "segments_seal",
    "projections.export.sql": "segments_operate",
    "projections.fold.sql": "segments_project",
    "projections.queries.sql": "segments_api",
    "projections.dry_run.sql": "segments_api",
    "projections.operations.sql": "segments_operate",
    "projections.outbox.sql": "segments_project",
    "projections.restore.sql": "segments_owner",
}
"""Package of statements → the role that runs them."""
OTHERS = {
    "event_digests.sql": "segments_operate",
    "request_republish.sql": "segments_operate",
    "is_republish_requested.sql": "segments_operate",
    "used_partitions.sql": "segments_operate",
    "list_analysts.sql": "segments_operate",
    "analyst_history.sql": "segments_operate",
    "granted_networks.sql": "segments_owner",
    "record_analyst.sql": "segments_owner",
    "note_owner.sql": "segments_ingest",
    "find_segments.sql": "segments_ingest",
}
"""File → its role, where that is another."""
FILES = [
    (package, entry.name)
    for package in SQL
    for entry in sorted(resources.files(package).iterdir(), key=lambda entry: entry.name)
    if entry.name.endswith(".sql")
]
# What makes the temporary table that another statement reads.
TEMPORARY = ("projections.operations.sql", "make_published.sql")
ROOT = Path(__file__).parents[2]
# A statement that reads or writes rows. One without FROM, such as a call of a function, stands where it is used.
STATEMENT = re.compile(
    r"^\s*(SELECT\b.*?\bFROM\b|WITH\b.*?\bAS\b|INSERT\s+(OR\s+\w+\s+)?INTO\b|UPDATE\s+\S+\s+(AS\s+\w+\s+)?SET\b"
    r"|DELETE\s+FROM\b|MERGE\s+INTO\b|TRUNCATE\s+\w|COPY\s+\w|DO\s+\$)",
    re.DOTALL,
)
INLINE = {
    "projections/dry_run/overlay.py": "SQLite's, on tables that the module makes itself",
}
"""File → why its statements stand in Python."""


@pytest.mark.stack
async def test_each_statement_can_be_prepared_by_its_role_and_begins_with_its_purpose(
    database: Settings,
) -> None:
    async with connected(database) as connection:
        package, name = TEMPORARY
        await connection.execute((resources.files(package) / name).read_text(encoding="utf-8"))
        await connection.execute("GRANT SELECT ON published TO public")
        for package, name in FILES:
            text = (resources.files(package) / name).read_text(encoding="utf-8")
            assert text.startswith("-- "), name
            await connection.execute(f"SET ROLE {OTHERS.get(name, SQL[package])}")
            await connection.execute("SET search_path = pg_catalog, segments")
            statement = await connection.prepare(text)
            for number in range(1, len(statement.get_parameters()) + 1):
                assert f"${number}" in text, f"{name} says nothing of parameter {number}"
            if name.startswith("verify"):
                columns = [(a.name, a.type.name) for a in statement.get_attributes()]
                assert columns == [(c, "text") for c in ("view", "key", "expected", "found")], name


def test_each_file_of_statements_says_what_its_parameters_are() -> None:
    for package, name in FILES:
        text = (resources.files(package) / name).read_text(encoding="utf-8")
        if re.search(r"\$[0-9]", text):
            assert re.search(r"^--.*Parameters: ", text, re.MULTILINE), f"{package}: {name}"


def test_each_file_of_statements_is_used() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in sources())
    for package, name in FILES:
        assert f'"{name.removesuffix(".sql")}"' in code, f"{package}: {name}"


def sources() -> Iterator[Path]:
    for root in ("service", "projections", "segments"):
        yield from sorted((ROOT / root).rglob("*.py"))


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Give the strings of a module with their lines; of a formatted one what stands in it, values as `{}`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield node.lineno, "".join(map(str, parts))


def test_no_statement_that_reads_or_writes_rows_stands_in_python() -> None:
    found = [
        f"{where}:{line}"
        for path in sources()
        for where in [path.relative_to(ROOT).as_posix()]
        if where not in INLINE
        for line, text in texts(ast.parse(path.read_text(encoding="utf-8")))
        if STATEMENT.search(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a FROM b",
        "\nSELECT a\nFROM b\n",
        "WITH a AS (SELECT 1) SELECT",
        "INSERT INTO a VALUES (1)",
        "UPDATE a.b SET c = 1",
        "UPDATE a AS b SET c = 1",
        "DELETE FROM a",
    ],
)
def test_a_statement_in_python_would_be_found(text: str) -> None:
    assert STATEMENT.search(text)
