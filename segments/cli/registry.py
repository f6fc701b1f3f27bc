"""`segment`: the registry."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from schemas.command.rules import MAX_SEGMENT_ID
from schemas.segment import description_fault, name_fault
from segments.cli.command import (
    actor_option,
    command,
    load_settings,
    network_option,
    only_network_option,
)
from segments.cli.database import connected, note_unknown_network
from segments.cli.output import print_json, print_rows
from service.registry import segments as registry

if TYPE_CHECKING:
    from collections.abc import Callable

ROLE = "segments_registry"
COLUMNS = ("network_id", "segment_id", "segment_name", "description", "is_visible", "archived_at")


@click.group()
def segment() -> None:
    """Create, list, edit, archive and restore segments."""


id_option = click.option(
    "--id",
    "segment_id",
    required=True,
    type=click.IntRange(1, MAX_SEGMENT_ID),
    help="The segment's id.",
)


def _name(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and (fault := name_fault(value)):
        raise click.BadParameter(fault)
    return value


def _description(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> str | None:
    if value is not None and (fault := description_fault(value)):
        raise click.BadParameter(fault)
    return value


reason_option = click.option(
    "--reason", callback=_description, help="Why; recorded in the segment's history."
)


def _show(shown: registry.Segment, *, as_json: bool) -> None:
    row = {name: value for name, value in asdict(shown).items() if name != "segment_key"}
    if as_json:
        print_json(row)
    else:
        print_rows([row], COLUMNS)


@command(segment)
@network_option
@click.option("--name", required=True, callback=_name, help="The name, unique in the network.")
@click.option(
    "--id",
    "segment_id",
    type=click.IntRange(1, MAX_SEGMENT_ID),
    help="The id. Default: the network's highest + 1.",
)
@click.option("--description", callback=_description, help="What the segment is for.")
@click.option("--hidden", is_flag=True, help="Hide the segment from users of the product.")
@actor_option
async def create(
    *,
    network: str,
    name: str,
    segment_id: int | None,
    description: str | None,
    hidden: bool,
    actor: str | None,
    as_json: bool,
) -> None:
    """Create a segment and print its id."""
    settings = load_settings()
    async with connected(settings, ROLE) as connection:
        made = await registry.create(
            connection, network_id=network, name=name, segment_id=segment_id,
            description=description, is_visible=not hidden, actor=actor, most=settings.segments_per_network,
        )  # fmt: skip
    if as_json:
        _show(made, as_json=True)
    else:
        click.echo(made.segment_id)


@command(segment, "list")
@only_network_option
async def list_(*, network: str | None, as_json: bool) -> None:
    """List segments."""
    async with connected(load_settings(), ROLE) as connection:
        listed = await registry.list_segments(connection, network)
        await note_unknown_network(connection, network, listed)
    rows = [{k: v for k, v in asdict(one).items() if k != "segment_key"} for one in listed]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, COLUMNS)


@command(segment)
@network_option
@id_option
@click.option("--name", callback=_name, help="The new name.")
@click.option("--description", callback=_description, help="The new description; empty for none.")
@click.option("--hidden/--visible", "hidden", default=None, help="The new visibility.")
@reason_option
@actor_option
async def edit(
    *,
    network: str,
    segment_id: int,
    name: str | None,
    description: str | None,
    hidden: bool | None,
    reason: str | None,
    actor: str | None,
    as_json: bool,
) -> None:
    """Change a segment's name, description or visibility."""
    async with connected(load_settings(), ROLE) as connection:
        edited = await registry.edit(
            connection,
            network_id=network,
            segment_id=segment_id,
            name=registry.KEEP if name is None else name,
            description=registry.KEEP if description is None else description,
            is_visible=registry.KEEP if hidden is None else not hidden,
            actor=actor,
            reason=reason,
        )
    _show(edited, as_json=as_json)


def _archiving(name: str, *, archived: bool, help_text: str) -> None:
    @network_option
    @id_option
    @reason_option
    @actor_option
    async def change(
        *, network: str, segment_id: int, reason: str | None, actor: str | None, as_json: bool
    ) -> None:
        async with connected(load_settings(), ROLE) as connection:
            changed = await registry.set_archived(
                connection,
                network_id=network,
                segment_id=segment_id,
                archived=archived,
                actor=actor,
                reason=reason,
            )
        _show(changed, as_json=as_json)

    change.__doc__ = help_text
    register: Callable[[Any], Any] = command(segment, name)
    register(change)


_archiving(
    "archive",
    archived=True,
    help_text="Archive a segment: its commands are rejected, and nothing is lost.",
)
_archiving(
    "restore",
    archived=False,
    help_text="Restore an archived segment: its commands are accepted again.",
)
