"""`run`, `api`, `ingest` and `project`: run the roles of the service."""

from __future__ import annotations

import secrets
import socket
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

import click

from segments.cli.command import BOTH, command, load_settings
from segments.cli.output import print_json
from segments.cli.setup import set_up_our_topics
from segments.roles import API, INGEST, PROJECT, SEAL, run_roles
from service.postgres.migrate import check_database, set_up_database
from service.runtime.errors import NotSetUpError
from service.runtime.secret import SecretStr
from stack import StackOptions, start_stack
from stack.ports import free_port

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from service.runtime.settings import Settings


@command(needs=BOTH)
async def ingest(*, as_json: bool) -> None:
    """Append commands from Kafka to the log. Any number of processes share the lanes."""
    del as_json
    await run_roles(load_settings(), INGEST)


@command(needs=BOTH)
async def project(*, as_json: bool) -> None:
    """Keep the reporting views up to date. Any number of processes share the lanes."""
    del as_json
    await run_roles(load_settings(), PROJECT)


@command(needs=BOTH)
async def api(*, as_json: bool) -> None:
    """Serve the HTTP API. Any number of processes can run behind a load balancer."""
    del as_json
    await run_roles(load_settings(), API)


@command(needs=())
async def run(*, as_json: bool) -> None:
    """Run API, ingest and projections in one process, and the sealer if SEGMENTS_SEAL_DIR is set.

    Without a Kafka or Postgres in the settings, it starts one.
    """
    settings = load_settings()
    settings = settings.model_copy(update={"http_port": _port(settings)})
    with _stack(settings) as started:
        if started is not None:
            settings = settings.model_copy(
                update={
                    "database_url": SecretStr(started.database_url),
                    "kafka_bootstrap_servers": started.bootstrap_servers,
                    # The stack is new and private, so any key will do.
                    "signing_key": settings.signing_key or SecretStr(secrets.token_urlsafe()),
                }
            )
        if settings.setup_database_url is not None or not await _is_set_up(settings):
            await set_up_database(settings)
        _, warning = await set_up_our_topics(settings, settings.actor)
        if warning:
            click.echo(f"warning: {warning}", err=True)
        _print_exports(settings, started=started is not None, as_json=as_json)
        sealing = SEAL if settings.seal_dir is not None else ()
        await run_roles(settings, (*API, *INGEST, *PROJECT, *sealing))


def _print_exports(settings: Settings, *, started: bool, as_json: bool) -> None:
    """Print the exports for other terminals, and the URL of the API."""
    host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
    lines = {
        "database_url": _shown(settings.database_url, started=started),
        "kafka_bootstrap_servers": settings.kafka_bootstrap_servers,
        "signing_key": _shown(settings.signing_key, started=started),
    }
    api_url = f"http://{host}:{settings.http_port}"
    if as_json:
        print_json({**lines, "api_url": api_url})
        return
    for name, value in lines.items():
        if value is not None:
            click.echo(f"SEGMENTS_{name.upper()}={value}")
    click.echo(f"API: {api_url}/docs")


def _shown(secret: SecretStr | None, *, started: bool) -> str | None:
    """Return a secret's text if it was generated here."""
    if secret is None:
        return None
    return secret.get_secret_value() if started else "(as set)"


def _port(settings: Settings) -> int:
    """Return the port of the API: the configured one, else the default or, if that is in use, a free one."""
    if "http_port" in settings.explicit and settings.http_port:
        return settings.http_port
    with (
        suppress(OSError),
        socket.create_server((settings.http_host, settings.http_port)) as listening,
    ):
        port: int = listening.getsockname()[1]
        return port
    return free_port()


async def _is_set_up(settings: Settings) -> bool:
    """Whether nothing needs to be set up, which a login that owns nothing could not do."""
    try:
        await check_database(settings)
    except NotSetUpError:
        return False
    return True


def _stack(settings: Settings) -> AbstractContextManager[Any]:
    """Start the servers that are not configured."""
    if settings.database_url is not None and settings.kafka_bootstrap_servers is not None:
        return nullcontext()
    url = settings.database_url.get_secret_value() if settings.database_url else None
    return start_stack(
        StackOptions(database_url=url, bootstrap_servers=settings.kafka_bootstrap_servers)
    )
