"""Options that several commands have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from schemas.command.rules import is_network_id

if TYPE_CHECKING:
    from collections.abc import Sized

    import asyncpg


def network_callback(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> str | None:
    """Check that a network's id is one."""
    if value is not None and not is_network_id(value):
        raise click.BadParameter("must be 1 to 64 of A-Z a-z 0-9 . _ -")
    return value


async def note_unknown_network(
    connection: asyncpg.Connection[Any], network_id: str | None, rows: Sized
) -> None:
    """Say on stderr why a list is empty, where its network has no segment: it may be misspelt."""
    if rows or network_id is None:
        return
    known = "SELECT EXISTS (SELECT FROM segments.segment WHERE network_id = $1)"
    if not await connection.fetchval(known, network_id):
        click.echo(f"there is no network {network_id}: no segment of it was ever made", err=True)


network_option = click.option(
    "--network", required=True, callback=network_callback, help="The network."
)
