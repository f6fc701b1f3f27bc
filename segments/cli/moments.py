"""Options that take a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from projections.queries.moments import read_moment

if TYPE_CHECKING:
    from datetime import datetime


def moment_callback(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> datetime | None:
    """Parse a time."""
    try:
        return None if value is None else read_moment(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
