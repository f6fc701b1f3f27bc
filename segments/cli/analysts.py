"""`analyst`: roles of Postgres that see some networks alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from service import analysts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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


def _changing(name: str, change: Callable[..., Awaitable[dict[str, Any]]], help_text: str) -> None:
    @click.argument("role")
    @network_option
    @actor_option
    async def run(*, role: str, network: str, actor: str | None, as_json: bool) -> None:
        row = await change(load_settings(), role, network, actor)
        if as_json:
            print_json(row)
        else:
            print_rows([row])

    run.__doc__ = help_text
    register: Callable[[Any], Any] = command(analyst, name, needs=("setup_database_url",))
    register(run)


_changing(
    "grant",
    analysts.grant,
    """Let a role of Postgres see a network's rows, and no other's, in schema `reporting_network`.

    Needs the login of `setup`. The role is there already; without a search path of its own it gets this schema's.
    """,
)
_changing(
    "revoke",
    analysts.revoke,
    """Let a role see a network's rows no more. Needs the login of `setup`.""",
)
