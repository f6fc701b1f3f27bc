"""`config`: the settings."""

from __future__ import annotations

from typing import Any

import click
from pydantic import SecretStr

from segments.cli.command import command, load_settings
from segments.cli.output import print_json, print_rows
from service.runtime.settings import PREFIX, Settings, unknown_variables


@command(needs=())
async def config(*, as_json: bool) -> None:
    """List every setting: name, meaning, default, value (without secrets).

    Variables that begin with SEGMENTS_ and are no setting, misspelt perhaps, are told on stderr.
    """
    settings = load_settings()
    for name in unknown_variables():
        click.echo(f"warning: {name} is no setting; it changes nothing", err=True)
    rows = [_setting(settings, name) for name in Settings.model_fields]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows)


def _setting(settings: Settings, name: str) -> dict[str, Any]:
    field = Settings.model_fields[name]
    value = getattr(settings, name)
    return {
        "name": PREFIX + name.upper(),
        "meaning": field.description,
        "default": field.default,
        "value": "(secret)" if isinstance(value, SecretStr) else value,
    }
