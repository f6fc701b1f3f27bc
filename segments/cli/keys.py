"""`key`: API keys."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from segments.cli.command import (
    actor_option,
    command,
    load_settings,
    network_option,
    only_network_option,
)
from segments.cli.database import connected, note_unknown_network, warn_unknown_networks
from segments.cli.output import print_json, print_rows
from service.registry import api_keys, sessions

if TYPE_CHECKING:
    from service.registry.api_keys import ApiKey

ROLE = "segments_registry"
COLUMNS = (
    "key_id", "network_id", "key_name", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at",
)  # fmt: skip


@click.group()
def key() -> None:
    """Create, list and revoke API keys."""


def _scopes(
    _context: click.Context, _option: click.Parameter, value: str
) -> frozenset[api_keys.Scope]:
    try:
        return frozenset(api_keys.Scope(scope.strip()) for scope in value.split(","))
    except ValueError as error:
        raise click.BadParameter(
            f"must be a comma-separated list of {', '.join(api_keys.Scope)}"
        ) from error


def _expiry(
    _context: click.Context, _option: click.Parameter, value: int | None
) -> datetime | None:
    if value is None:
        return None
    try:
        expires_at = datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise click.BadParameter("must be Unix seconds, before the year 10000") from error
    if expires_at <= datetime.now(UTC):
        raise click.BadParameter("must be in the future; `segments key revoke` ends a key")
    return expires_at


def _row(api_key: ApiKey) -> dict[str, Any]:
    return asdict(api_key) | {"scopes": sorted(api_key.scopes)}


@command(key)
@network_option
@click.option(
    "--scope",
    "scopes",
    required=True,
    callback=_scopes,
    metavar=",".join(api_keys.Scope),
    help="What the key may do, separated by commas.",
)
@click.option(
    "--name", help="The user of the key, and the actor of its commands. Default: the key's id."
)
@click.option(
    "--expires",
    type=click.IntRange(1),
    callback=_expiry,
    help="When the key expires, Unix seconds in the future.",
)
@actor_option
async def create(
    *,
    network: str,
    scopes: frozenset[api_keys.Scope],
    name: str | None,
    expires: datetime | None,
    actor: str | None,
    as_json: bool,
) -> None:
    """Create a key and print it. The key can't be shown again."""
    async with connected(load_settings(), ROLE) as connection:
        await warn_unknown_networks(connection, [network])
        made, text = await api_keys.create_key(
            connection,
            network_id=network,
            scopes=scopes,
            name=name,
            expires_at=expires,
            actor=actor,
        )
    if as_json:
        print_json({"key_id": made.key_id, "key": text})
    else:
        click.echo(text)


@command(key, "list")
@only_network_option
async def list_(*, network: str | None, as_json: bool) -> None:
    """List keys without their secrets. last_used_at is accurate to a few seconds."""
    async with connected(load_settings(), ROLE) as connection:
        rows = [_row(one) for one in await api_keys.list_keys(connection, network)]
        await note_unknown_network(connection, network, rows)
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, COLUMNS)


@command(key)
@click.argument("key_id")
@actor_option
async def revoke(*, key_id: str, actor: str | None, as_json: bool) -> None:
    """Revoke a key. The API refuses it within seconds."""
    async with connected(load_settings(), ROLE) as connection:
        row = _row(await api_keys.revoke_key(connection, key_id, actor))
    if as_json:
        print_json(row)
    else:
        print_rows([row], COLUMNS)


@command(key)
@click.argument("key_id")
@click.option(
    "--minutes",
    type=click.IntRange(1, 7 * 24 * 60),
    default=15,
    show_default=True,
    help="How long the link can be used.",
)
@click.option("--url", help="Address of the API. Default: that of HTTP_HOST and HTTP_PORT.")
@actor_option
async def link(
    *, key_id: str, minutes: int, url: str | None, actor: str | None, as_json: bool
) -> None:
    """Print a link that signs somebody in to the dashboard by this key, once."""
    settings = load_settings()
    async with connected(settings, ROLE) as connection:
        token = await sessions.create_link(connection, key_id, timedelta(minutes=minutes), actor)
    base = url or f"http://{settings.http_host}:{settings.http_port}"
    made = f"{base.rstrip('/')}/admin/sign-in/link?link={token}"
    if as_json:
        print_json({"link": made})
    else:
        click.echo(made)
