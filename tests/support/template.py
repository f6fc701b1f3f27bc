"""Makes the database that tests clone, and settings for a clone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from service.postgres.migrate import set_up_database
from service.runtime.environment import read_settings
from service.runtime.secret import SecretStr

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from stack import Stack


async def make_template(stack: Stack, name: str) -> None:
    """Make a database that is set up, unless it exists. Concurrent calls make it once."""
    owner = await asyncpg.connect(stack.database_url)
    try:
        await owner.execute("SELECT pg_advisory_lock(hashtext('segments tests'' template'))")
        if not await owner.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", name):
            unfinished = f"{name}_unfinished"
            await owner.execute(f"DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")
            await owner.execute(f"CREATE DATABASE {unfinished}")
            await set_up_database(settings_on(stack, unfinished, "template"))
            await owner.execute(f"ALTER DATABASE {unfinished} RENAME TO {name}")
    finally:
        await owner.close()


def settings_on(stack: Stack, database: str, prefix: str) -> Settings:
    """Return settings for a database and a topic prefix on a stack."""
    base, _, _ = stack.database_url.rpartition("/")
    return read_settings(
        database_url=SecretStr(f"{base}/{database}"),
        kafka_bootstrap_servers=stack.bootstrap_servers,
        topic_prefix=prefix,
        topic_partitions=4,
        signing_key=SecretStr("the tests' signing key, of no use elsewhere"),
    )
