"""Options that several commands have."""

from __future__ import annotations

import click

from schemas.rules import is_network_id


def network_callback(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> str | None:
    """Check that a network's id is one."""
    if value is not None and not is_network_id(value):
        raise click.BadParameter("must be 1 to 64 of A-Z a-z 0-9 . _ -")
    return value


network_option = click.option(
    "--network", required=True, callback=network_callback, help="The tenant."
)
