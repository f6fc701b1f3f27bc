"""`erase`: blanks what identifies a person, and prints a receipt."""

from __future__ import annotations

from typing import Any

import click

from schemas.command.rules import normalise_user
from segments.cli.command import Failure, actor_option, command, load_settings, network_option
from segments.cli.database import connected
from segments.cli.output import print_json, print_rows
from service.registry import erasure

ROLE = "segments_operate"
COLUMNS = ("erased_as", "segments", "events", "texts", "rejected")


@command()
@network_option
@click.option("--user", required=True, help="The person: an email or a user id.")
@click.option("--reason", required=True, help="Why; recorded.")
@click.option("--dry-run", is_flag=True, help="Erase nothing; count what would be blanked.")
@actor_option
async def erase(
    *, network: str, user: str, reason: str, dry_run: bool, actor: str, as_json: bool
) -> None:
    """Erase a person: blank the identifier and the free text, and print a receipt.

    The rows remain and count, as `erased:<n>`. The receipt counts segments, events, events with free text, and rejected
    records, and says what remains.
    """
    name = normalise_user(user)
    async with connected(load_settings(), ROLE) as connection:
        content = await erasure.read_content(connection, network, name)
        if content is None or content.is_erased:
            raise Failure(f"No command or rejected record of network {network} is of this user.")
        erased_as = None
        if not dry_run:
            erased_as = await erasure.erase(connection, network, name, actor, reason)
            content = await erasure.read_content(connection, network, erased_as or "") or content
    receipt: dict[str, Any] = {"erased_as": erased_as, **content._asdict()}
    del receipt["is_erased"]
    if as_json:
        print_json({**receipt, "remains": list(erasure.REMAINS)})
    else:
        print_rows([receipt], COLUMNS)
        for line in erasure.REMAINS:
            click.echo(line, err=True)
