"""What every command has in common: options, running async work, and printing for people or as JSON."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import pwd
import socket
import sys
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import asyncpg
import click
import uvloop
from aiokafka.errors import KafkaConnectionError, KafkaError
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from service.kafka.login import refused
from service.postgres.database import connect, set_up_fault
from service.runtime.backoff import DENIED
from service.runtime.errors import SegmentsError
from service.runtime.settings import PREFIX, Settings
from service.runtime.telemetry import set_up_logging

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping

_F = TypeVar("_F", bound="Callable[..., Any]")
_T = TypeVar("_T")
_Isolation = Literal["read_committed", "repeatable_read"]


class Failure(click.ClickException):
    """An error that is told on stderr; exit code 1, or 2 for wrong use."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click's own way


def load_settings(**given: Any) -> Settings:
    """Read the settings, or say which is wrong."""
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        said = first["msg"].removeprefix("Value error, ")
        raise Failure(f"{name}: {said}", exit_code=2) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"The file of a setting can't be read: {error}", exit_code=2) from error
    set_up_logging(settings)
    return settings


DATABASE = ("database_url",)
KAFKA = ("kafka_bootstrap_servers",)
BOTH = (*DATABASE, *KAFKA)
_DRY_RUN = "--dry-run"
_GIVEN = "segments.arguments"


class _Command(click.Command):
    """A command that names the settings it lacks before anything else that is wrong, and before it does anything.

    needs: fields of Settings. instead: what it needs with a flag; setup_database_url is any database's.
    """

    def __init__(
        self,
        *given: Any,
        needs: tuple[str, ...],
        instead: Mapping[str, tuple[str, ...]],
        **named: Any,
    ) -> None:
        super().__init__(*given, **named)
        self.needs = needs
        self.instead = instead

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_GIVEN] = set(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if lacking := self._lacking(ctx.meta[_GIVEN]):
                raise click.UsageError(f"{lacking} And: {error.format_message()}", ctx) from error
            raise

    def invoke(self, ctx: click.Context) -> Any:
        if lacking := self._lacking(ctx.meta[_GIVEN]):
            raise Failure(lacking, exit_code=2)
        return super().invoke(ctx)

    def _lacking(self, flags: set[str]) -> str | None:
        """Say which settings are missing; None: none is."""
        flag = next((one for one in self.instead if one in flags), None)
        needs = self.needs if flag is None else self.instead[flag]
        if not needs:
            return None
        settings = load_settings()
        has_database = settings.database_url or settings.setup_database_url
        missing = [
            PREFIX + name.removeprefix("setup_").upper()
            for name in needs
            if not (has_database if name.startswith("setup_") else getattr(settings, name))
        ]
        if not missing:
            return None
        why = "A dry run is judged against the log in Postgres: " if flag == _DRY_RUN else ""
        return f"{why}{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set."


def command(
    group: click.Group,
    name: str | None = None,
    *,
    needs: tuple[str, ...] = DATABASE,
    instead: Mapping[str, tuple[str, ...]] | None = None,
) -> Callable[[_F], click.Command]:
    """Register an async function as a command with `--json`; errors go to stderr.

    needs: settings without which it can't do anything. instead: what it needs with a flag.
    """

    def register(function: _F) -> click.Command:
        @functools.wraps(function)
        def run(**kwargs: Any) -> None:
            _check_text(kwargs)
            run_async(function(**kwargs))

        as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
        how: Any = {"cls": _Command, "needs": needs, "instead": instead or {}}
        registered: click.Command = group.command(name, **how)(as_json(run))
        return registered

    return register


def _check_text(options: Mapping[str, Any]) -> None:
    """Refuse what is not UTF-8: neither JSON nor Postgres could hold it."""
    for name, value in options.items():
        if isinstance(value, str) and not value.isprintable() and not _is_text(value):
            raise Failure(f"--{name.replace('_', '-')} is not UTF-8.", exit_code=2)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def run_async(work: Coroutine[Any, Any, _T]) -> _T:
    """Run to the end; what went wrong becomes a message and an exit code."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except BaseExceptionGroup as group:
        raise _failure(_first(group)) from group
    except (
        SegmentsError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        KafkaError,
        OSError,
    ) as error:
        raise _failure(error) from error


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _failure(error: BaseException) -> BaseException:
    if isinstance(error, DENIED):
        error = refused(error)
    if isinstance(error, SegmentsError):
        return Failure(str(error), error.exit_code)
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
        return Failure(str(set_up_fault(error) or f"Postgres: {error}"))
    if isinstance(error, KafkaConnectionError) and error.args:
        return Failure(f"Can't reach Kafka: {error.args[0]}")
    if isinstance(error, KafkaError):
        return Failure(f"Kafka: {error}")
    if isinstance(error, OSError):
        # A timeout has no text of its own.
        return Failure(f"Can't reach Postgres or Kafka: {str(error) or type(error).__name__}")
    return error


@asynccontextmanager
async def connected(
    settings: Settings, role: str, isolation: _Isolation = "read_committed"
) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Open one connection acting as `role` while the block runs.

    Behind a transaction pooler the block is one transaction of that isolation: only within it is a session ours.
    """
    connection = await connect(settings, role)
    try:
        if settings.database_pooler == "transaction":
            async with connection.transaction(isolation=isolation):
                await connection.execute(
                    f"SET LOCAL ROLE {role}; SET LOCAL search_path = pg_catalog, segments;"
                    "SET LOCAL timezone = 'UTC'; SET LOCAL idle_in_transaction_session_timeout = 0"
                )
                yield connection
        else:
            yield connection
    finally:
        await connection.close()


def actor_option(function: _F) -> _F:
    """Add `--actor`, for commands that change something: somebody always does."""
    option = click.option(
        "--actor",
        envvar=f"{PREFIX}ACTOR",
        callback=lambda _context, _option, value: value or _login(),
        help="Who makes the change; recorded. Default: SEGMENTS_ACTOR, else the system's user@host.",
    )
    return option(function)


def _login() -> str:
    """Give the operating system's user and host; no variable of the environment says who that is."""
    number = os.geteuid()
    try:
        user = pwd.getpwuid(number).pw_name
    except KeyError:  # as in a container that runs under any number
        user = str(number)
    return f"{user}@{socket.gethostname()}"


def plain(value: Any) -> Any:
    """Make a value fit for JSON."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value)


def counted(count: int, noun: str) -> str:
    """Say how many, as in `1 line` and `2 lines`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    return str(plain(value))


def print_json(value: Any) -> None:
    """Print one JSON value on stdout."""
    click.echo(json.dumps(plain(value), ensure_ascii=False))


def print_rows(
    rows: Iterable[Mapping[str, Any]], columns: Iterable[str] | None = None, *, err: bool = False
) -> None:
    """Print rows as a table for people. err: on stderr."""
    listed = [dict(row) for row in rows]
    if not listed:
        click.echo("(none)", err=err)
        return
    names = list(columns) if columns is not None else list(listed[0])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in listed:
        table.add_row(*(_cell(row[name]) for name in names))
    width = None if (sys.stderr if err else sys.stdout).isatty() else 240
    Console(stderr=err, width=width, highlight=False, markup=False, emoji=False).print(table)
