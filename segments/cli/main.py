"""The group of all commands."""

from __future__ import annotations

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="segments")
def main() -> None:
    """Event-sourced user segments: who is in, who is overridden, since when and why."""
