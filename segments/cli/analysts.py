"""`analyst`: Postgres roles that see the rows of some networks only."""

from __future__ import annotations

from typing import Any

import click

from segments.cli.command import (
    actor_option,
    command,
    load_settings,
    network_option,
    only_network_option,
)
from segments.cli.database import connected, note_unknown_network, warn_unknown_networks
from segments.cli.output import print_json, print_rows
from service.registry import analysts

ROLE = "segments_operate"


@click.group()
def analyst() -> None:
    """Manage which Postgres roles can read which networks."""


@command(analyst, "list")
@only_network_option
@click.option("--history", is_flag=True, help="List every change, oldest first.")
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
    help=f"Seconds after which the login's queries end, 0: never. "
    f"Default: {analysts.STATEMENT_TIMEOUT}, if the login has no setting of its own.",
)
@click.option(
    "--connection-limit",
    type=click.IntRange(0, 10_000),
    help=f"Most sessions of the login at once, 0: no limit. "
    f"Default: {analysts.CONNECTION_LIMIT}, if the login has no limit of its own.",
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
    """Let a Postgres role see a network's rows, and no others, in schema `reporting_network`.

    This needs the login of `setup`, and the role must exist. A login without settings of its own gets this schema as
    its search path, a statement_timeout of five minutes, and a limit of five sessions.
    """
    settings = load_settings()
    granted = await analysts.grant(
        settings, role, network, actor, statement_timeout, connection_limit
    )
    if settings.database_url is not None:  # the login of `setup` may not act as ROLE
        async with connected(settings, ROLE) as connection:
            await warn_unknown_networks(connection, [network])
    if rights := await analysts.find_disk_rights(settings, role):
        click.echo(
            f"warning: {role} can fill the disk, by temporary tables, large objects or messages in the write-ahead log,"
            " because Postgres lets every role do so. To end that:",
            err=True,
        )
        click.echo("\n".join(f"  {statement};" for statement in rights), err=True)
    _print(granted, as_json)


@command(analyst, needs=("setup_database_url",))
@click.argument("role")
@network_option
@actor_option
async def revoke(*, role: str, network: str, actor: str | None, as_json: bool) -> None:
    """Stop a role from seeing a network's rows. This needs the login of `setup`."""
    _print(await analysts.revoke(load_settings(), role, network, actor), as_json)


def _print(row: dict[str, Any], as_json: bool) -> None:  # noqa: FBT001 - as click names it
    if as_json:
        print_json(row)
    else:
        print_rows([row])
