"""Pages of the documentation that are generated from the code; a test fails when they drift."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segments.cli import main
from service.runtime.settings import PREFIX
from service.runtime.settings_fields import settings_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WRITE = "SEGMENTS_WRITE_DOCS"
"""Set it to write what has drifted instead of failing."""

COLUMNS = """
SELECT c.relname AS view, obj_description(c.oid) AS view_comment, a.attname AS column,
    format_type(a.atttypid, a.atttypmod) AS type, col_description(c.oid, a.attnum) AS comment
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'reporting'::regnamespace AND c.relkind = 'v' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""
GENERATED = "This page is generated from the code."


def views(rows: Iterable[Mapping[str, Any]]) -> str:
    """Write the page of the views: their columns, with the comments in the database."""
    lines = [
        "# Views",
        "",
        f"{GENERATED} It describes the views of schema `reporting`. [Query the views](../analysts.md)",
        "lists the questions that each view answers.",
    ]
    heading = None
    for row in rows:
        if row["view"] != heading:
            heading = row["view"]
            lines += ["", f"## {heading}", "", row["view_comment"], ""]
            lines += ["| column | type | meaning |", "|---|---|---|"]
        kind = row["type"].replace("timestamp with time zone", "timestamptz")
        lines.append(f"| `{row['column']}` | {kind} | {_cell(row['comment'])} |")
    return "\n".join([*lines, ""])


def settings() -> str:
    """Write the page of the settings, as the code defines them."""
    lines = [
        "# Settings",
        "",
        f"{GENERATED} Settings are environment variables. `segments config` prints the values in force and",
        "warns about `SEGMENTS_` variables that are not settings.",
        "",
        "- An empty variable counts as unset.",
        "- Each secret can also be read from a file: `SEGMENTS_DATABASE_URL_FILE` names a file that contains the",
        "  value of `SEGMENTS_DATABASE_URL`.",
        "- Behind PgBouncer in transaction mode, set `SEGMENTS_DATABASE_POOLER=transaction`. Role and search path",
        "  are then set in each transaction, and no statement stays prepared.",
        "",
        "| setting | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in settings_fields().items():
        default = "" if field.default is None else f"`{field.default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {_cell(field.meaning)} |")
    return "\n".join([*lines, ""])


def commands() -> str:
    """Write each command of the command line with its options, as click knows them."""
    lines = [
        "# Commands",
        "",
        f"{GENERATED} Every command accepts `--json`, to print JSON, and `--help`. Errors go to stderr.",
        "Exit code 1 is a failure, 2 is wrong use.",
        "",
        'Completion in bash: `eval "$(_SEGMENTS_COMPLETE=bash_source segments)"`, in `~/.bashrc` to keep it; in zsh',
        "and fish with `zsh_source` and `fish_source`.",
    ]
    for path, command in _walk("segments", main):
        usage = " ".join(
            param.make_metavar(click.Context(command))
            for param in command.params
            if isinstance(param, click.Argument)
        )
        lines += ["", f"## {path} {usage}".rstrip(), "", inspect.cleandoc(command.help or "")]
        options = [p for p in command.params if isinstance(p, click.Option) and p.name != "as_json"]
        if options:
            lines += ["", "| option | meaning |", "|---|---|"]
        lines += [f"| {_names(option)} | {_cell(option.help)} |" for option in options]
    return "\n".join([*lines, ""])


def _walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            _, inner, _ = command.resolve_command(context, [name])
            assert inner is not None
            yield from _walk(f"{path} {name}", inner)
    else:
        yield path, command


def _names(option: click.Option) -> str:
    names = "/".join([*option.opts, *option.secondary_opts])
    metavar = "" if option.is_flag else " " + option.make_metavar(click.Context(click.Command("x")))
    required = ", required" if option.required else ""
    return f"`{names}{metavar}`{required}".replace("|", "\\|")


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|").replace("<", "&lt;")
