"""`config`: the settings."""

from __future__ import annotations

from typing import Any

import click

from segments.cli.command import command, load_settings
from segments.cli.output import print_json, print_rows
from service.runtime.environment import unknown_variables
from service.runtime.secret import SecretStr
from service.runtime.settings import PREFIX, Settings
from service.runtime.settings_fields import Setting, settings_fields


@command(needs=())
async def config(*, as_json: bool) -> None:
    """List every setting: name, meaning, default, value (without secrets).

    Unknown variables with the prefix SEGMENTS_, which may be misspelt, are listed on stderr.
    """
    settings = load_settings()
    for name in unknown_variables():
        click.echo(f"warning: {name} is not a setting and has no effect", err=True)
    rows = [_setting(settings, name, field) for name, field in settings_fields().items()]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows)


def _setting(settings: Settings, name: str, field: Setting) -> dict[str, Any]:
    value = getattr(settings, name)
    return {
        "name": PREFIX + name.upper(),
        "meaning": field.meaning,
        "default": field.default,
        "value": "(secret)" if isinstance(value, SecretStr) else value,
    }
