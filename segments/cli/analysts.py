"""`analyst`: roles of Postgres that see some networks alone."""

from __future__ import annotations

from typing import Any

import click

from segments.cli.command import (
    actor_option,
    command,
    load_settings,
    network_callback,
    network_option,
)
from segments.cli.database import connected, note_unknown_network
from segments.cli.output import print_json, print_rows
from service.registry import analysts

ROLE = "segments_operate"


@click.group()
def analyst() -> None:
    """Manage which Postgres roles can read which networks."""


@command(analyst, "list")
@click.option("--network", callback=network_callback, help="Only this network.")
@click.option("--history", is_flag=True, help="Every change, oldest first.")
async def list_(*, network: str | None, history: bool, as_json: bool) -> None:
    """List which roles can read which networks, and since when."""
    async with connected(load_settings(), ROLE) as connection:
        rows = await analysts.list_analysts(connection, network, history=history)
        await note_unknown_network(connection, network, rows)
    if as_json:
        print_json(rows)
    else:
        print_rows(rows)


@command(analyst, needs=("setup_database_url",))
@click.argument("role")
@network_option
@click.option(
    "--statement-timeout",
    type=click.IntRange(0, 86_400),
    help=f"Seconds after which the login's queries end; 0: never. First grant's default: {analysts.STATEMENT_TIMEOUT}.",
)
@click.option(
    "--connection-limit",
    type=click.IntRange(0, 10_000),
    help=f"Maximum concurrent sessions of the login; 0: no limit. First grant's default: {analysts.CONNECTION_LIMIT}.",
)
@actor_option
async def grant(
    *,
    role: str,
    network: str,
    statement_timeout: int | None,
    connection_limit: int | None,
    actor: str | None,
    as_json: bool,
) -> None:
    """Grant a Postgres role read access to one network's rows in schema `reporting_network`.

    Needs the login of `setup`. The role must exist. A login without its own settings gets this schema as search_path, a
    statement_timeout of five minutes, and a limit of five concurrent sessions.
    """
    _tell(
        await analysts.grant(
            load_settings(), role, network, actor, statement_timeout, connection_limit
        ),
        as_json,
    )


@command(analyst, needs=("setup_database_url",))
@click.argument("role")
@network_option
@actor_option
async def revoke(*, role: str, network: str, actor: str | None, as_json: bool) -> None:
    """Revoke a role's access to a network. Needs the login of `setup`."""
    _tell(await analysts.revoke(load_settings(), role, network, actor), as_json)


def _tell(row: dict[str, Any], as_json: bool) -> None:  # noqa: FBT001 - as click names it
    if as_json:
        print_json(row)
    else:
        print_rows([row])
