"""The rights of every Postgres role by which an analyst could fill the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.registry.networks import logged_in
from tests.support.command_line import run
from tests.support.database import connected

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
GROWING = (
    "CREATE TEMPORARY TABLE big AS SELECT 1",
    "SELECT lo_creat(-1)",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT pg_logical_emit_message(false, 'x', 'y')",
)


async def test_the_statements_that_grant_prints_keep_an_analyst_from_filling_the_disk(
    filled: Settings, ann: str
) -> None:
    grant = ("analyst", "grant", ann, "--network", "a")
    statements = [line for line in (await run(filled, *grant)).err.splitlines() if line[:2] == "  "]
    async with logged_in(filled, ann) as connection:
        for statement in GROWING:
            await connection.execute(statement)
    async with connected(filled) as owner:
        for statement in statements:
            await owner.execute(statement)
    async with logged_in(filled, ann) as connection:
        for statement in GROWING:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    assert (await run(filled, *grant)).err == ""
    async with connected(filled, "segments_operate") as connection:
        await connection.execute("CREATE TEMPORARY TABLE published ()")
