"""`segments verify` reports each table of the log whose triggers do not protect it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from service.postgres.guards import GUARDED, guard_faults
from tests.support.cases import cases

if TYPE_CHECKING:
    import asyncpg

pytestmark = pytest.mark.stack
_LESSENED = """
CREATE OR REPLACE TRIGGER person_stays BEFORE UPDATE OR DELETE ON segments.person
FOR EACH ROW WHEN (false) EXECUTE FUNCTION segments.refuse_person_change()
"""
# What the owner might do to a table so that its rows change all the same, or seem to; and what tells of it.
_OPENED = {
    "a trigger is off": "ALTER TABLE segments.{0} DISABLE TRIGGER USER",
    "a trigger fires by the session": "ALTER TABLE segments.{0} ENABLE TRIGGER USER",
    "a rule does nothing instead": "CREATE RULE r AS ON UPDATE TO segments.{0} DO INSTEAD NOTHING",
    "rows are hidden": "ALTER TABLE segments.{0} ENABLE ROW LEVEL SECURITY",
}


@cases("opened", _OPENED)
async def test_verify_tells_of_each_table_that_it_is_not_guarded(
    filled: asyncpg.Connection[Any], opened: str
) -> None:
    assert await guard_faults(filled) == []
    for table in GUARDED:
        transaction = filled.transaction()
        await transaction.start()
        await filled.execute("SET LOCAL ROLE segments_owner")
        await filled.execute(_OPENED[opened].format(table))
        await filled.execute("SET LOCAL ROLE segments_operate")
        found = await guard_faults(filled)
        assert {row["view"] for row in found} == {f"segments.{table}"}, found
        await transaction.rollback()


async def test_verify_tells_that_a_trigger_is_gone_or_calls_something_else(
    filled: asyncpg.Connection[Any],
) -> None:
    for change, told in (
        ("DROP TRIGGER person_stays ON segments.person", {"segments.person"}),
        (
            "CREATE OR REPLACE FUNCTION segments.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
            {"segments.refuse_change()"},
        ),
        (
            _LESSENED,
            {"segments.person"},
        ),
    ):
        transaction = filled.transaction()
        await transaction.start()
        await filled.execute("SET LOCAL ROLE segments_owner")
        await filled.execute(change)
        assert {row["view"] for row in await guard_faults(filled)} == told
        await transaction.rollback()
