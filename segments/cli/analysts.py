"""`analyst`: roles of Postgres that see some networks alone."""

from __future__ import annotations

from typing import Any

import click

from segments.cli.main import main
from segments.cli.options import network_callback, network_option, note_unknown_network
from segments.cli.output import (
    actor_option,
    command,
    connected,
    load_settings,
    print_json,
    print_rows,
)
from service.registry import analysts

ROLE = "segments_operate"


@main.group()
def analyst() -> None:
    """Say which roles of Postgres see which networks."""


@command(analyst, "list")
@click.option("--network", callback=network_callback, help="Only this tenant's.")
@click.option("--history", is_flag=True, help="Every change, oldest first.")
async def list_(*, network: str | None, history: bool, as_json: bool) -> None:
    """List who sees which network, and since when."""
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
    help=f"End the login's queries after so many seconds, 0: never; default {analysts.STATEMENT_TIMEOUT}, once.",
)
@click.option(
    "--connection-limit",
    type=click.IntRange(0, 10_000),
    help=f"Most sessions of the login at once, 0: any number; default {analysts.CONNECTION_LIMIT}, once.",
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
    """Let a role of Postgres see a network's rows, and no other's, in schema `reporting_network`.

    Needs the login of `setup`. The role is there already. Without settings of its own a login gets this schema as its
    search path, a statement_timeout of five minutes, and at most five sessions at once.
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
    """Let a role see a network's rows no more. Needs the login of `setup`."""
    _tell(await analysts.revoke(load_settings(), role, network, actor), as_json)


def _tell(row: dict[str, Any], as_json: bool) -> None:  # noqa: FBT001 - as click names it
    if as_json:
        print_json(row)
    else:
        print_rows([row])
