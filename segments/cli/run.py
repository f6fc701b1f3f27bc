"""`run`, `api`, `ingest` and `project`: the roles of the program."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click
from pydantic import SecretStr

from segments.cli.main import main
from segments.cli.output import command, load_settings, print_json
from segments.roles import API, INGEST, PROJECT, run_roles
from service.errors import NotSetUpError
from service.kafka import set_up_topics
from service.migrations import check_database, set_up_database
from stack import StackOptions, start_stack

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from service.settings import Settings


@command(main)
async def ingest(*, as_json: bool) -> None:
    """Append commands from Kafka to the log; any number of processes share the lanes."""
    del as_json
    await run_roles(load_settings(), INGEST)


@command(main)
async def project(*, as_json: bool) -> None:
    """Keep the reporting views; any number of processes share the lanes."""
    del as_json
    await run_roles(load_settings(), PROJECT)


@command(main)
async def api(*, as_json: bool) -> None:
    """Serve the HTTP API; any number of processes, behind a load balancer."""
    del as_json
    await run_roles(load_settings(), API)


@command(main)
async def run(*, as_json: bool) -> None:
    """API, ingest and projections in one process, on the given stack or one started here."""
    settings = load_settings()
    with _stack(settings) as started:
        if started is not None:
            settings = settings.model_copy(
                update={
                    "database_url": SecretStr(started.database_url),
                    "kafka_bootstrap_servers": started.bootstrap_servers,
                }
            )
        if settings.setup_database_url is not None or not await _is_set_up(settings):
            await set_up_database(settings)
        await set_up_topics(settings)
        urls = {
            "database_url": settings.database_url.get_secret_value()
            if started and settings.database_url
            else "(as given)",
            "kafka_bootstrap_servers": settings.kafka_bootstrap_servers,
        }
        if as_json:
            print_json(urls)
        else:
            for name, value in urls.items():
                click.echo(f"SEGMENTS_{name.upper()}={value}")
        await run_roles(settings, (*API, *INGEST, *PROJECT))


async def _is_set_up(settings: Settings) -> bool:
    """Whether there is nothing to set up: a login that owns nothing could not."""
    try:
        await check_database(settings)
    except NotSetUpError:
        return False
    return True


def _stack(settings: Settings) -> AbstractContextManager[Any]:
    """Start what was not given."""
    if settings.database_url is not None and settings.kafka_bootstrap_servers is not None:
        return nullcontext()
    url = settings.database_url.get_secret_value() if settings.database_url else None
    return start_stack(
        StackOptions(database_url=url, bootstrap_servers=settings.kafka_bootstrap_servers)
    )
