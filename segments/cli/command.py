"""Shared by all commands: settings, options, running async code, errors and exit codes."""

from __future__ import annotations

import asyncio
import functools
import os
import pwd
import socket
from typing import TYPE_CHECKING, Any, TypeVar

import click
import uvloop

from schemas.command.rules import is_network_id
from service.runtime.environment import SettingError, read_settings
from service.runtime.logs import set_up_logging
from service.runtime.settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

_F = TypeVar("_F", bound="Callable[..., Any]")
_T = TypeVar("_T")


class Failure(click.ClickException):
    """An error that is printed on stderr; exit code 1, or 2 for wrong use."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click's own way


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises: Failure, with the wrong setting."""
    try:
        settings = read_settings(**overrides)
    except SettingError as error:
        raise Failure(str(error), exit_code=2) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"The file of a setting can't be read: {error}", exit_code=2) from error
    set_up_logging(settings)
    return settings


DATABASE = ("database_url",)
KAFKA = ("kafka_bootstrap_servers",)
BOTH = (*DATABASE, *KAFKA)
_DRY_RUN = "--dry-run"
_ARGUMENTS = "segments.arguments"


class _Command(click.Command):
    """A command that checks its required settings first, before other errors and before any work.

    needs: fields of Settings; setup_database_url stands for either URL of a database. instead: the needs with a flag.
    """

    def __init__(
        self,
        *args: Any,
        needs: tuple[str, ...],
        instead: Mapping[str, tuple[str, ...]],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.needs = needs
        self.instead = instead

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_ARGUMENTS] = set(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if lacking := self._lacking(ctx.meta[_ARGUMENTS]):
                raise click.UsageError(f"{lacking} And: {error.format_message()}", ctx) from error
            raise

    def invoke(self, ctx: click.Context) -> Any:
        if lacking := self._lacking(ctx.meta[_ARGUMENTS]):
            raise Failure(lacking, exit_code=2)
        return super().invoke(ctx)

    def _lacking(self, flags: set[str]) -> str | None:
        """Return a message about missing settings, or None."""
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
        why = "A dry run needs the log in Postgres: " if flag == _DRY_RUN else ""
        return f"{why}{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set."


def command(
    group: click.Group | None = None,
    name: str | None = None,
    *,
    needs: tuple[str, ...] = DATABASE,
    instead: Mapping[str, tuple[str, ...]] | None = None,
) -> Callable[[_F], click.Command]:
    """Register an async function as a command with `--json`, in a group or (listed in segments.cli.main) in none.

    needs: required settings. instead: the required settings with a flag.
    """

    def register(function: _F) -> click.Command:
        @functools.wraps(function)
        def run(**kwargs: Any) -> None:
            _check_text(kwargs)
            run_async(function(**kwargs))

        as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
        how: Any = {"cls": _Command, "needs": needs, "instead": instead or {}}
        registered: click.Command = (group or click).command(name, **how)(as_json(run))
        return registered

    return register


def _check_text(options: Mapping[str, Any]) -> None:
    """Refuse options that are not UTF-8, which neither JSON nor Postgres can store."""
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
    """Run a coroutine; convert an error to a message and an exit code."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except BaseExceptionGroup as group:
        raise _failure(_first(group)) from group
    except Exception as error:
        failure = _failure(error)
        if failure is error:
            raise
        raise failure from error


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _failure(error: BaseException) -> BaseException:
    # Imported here because most commands do not fail, and `send` without a database does not need asyncpg.
    from segments.cli.faults import explain_fault  # noqa: PLC0415

    explained = explain_fault(error)
    return error if explained is None else Failure(*explained)


def actor_option(function: _F) -> _F:
    """Add `--actor`, for commands that change something."""
    option = click.option(
        "--actor",
        envvar=f"{PREFIX}ACTOR",
        callback=lambda _context, _option, value: value or _login(),
        help="The person or job that makes the change; recorded. Default: SEGMENTS_ACTOR, else the system's user@host.",
    )
    return option(function)


def present_actor() -> str:
    """Return who runs a command that only reads."""
    return os.environ.get(f"{PREFIX}ACTOR") or _login()


def _login() -> str:
    """Return user@host from the operating system, not from the environment."""
    number = os.geteuid()
    try:
        user = pwd.getpwuid(number).pw_name
    except KeyError:  # for example in a container with an arbitrary uid
        user = str(number)
    return f"{user}@{socket.gethostname()}"


def network_callback(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> str | None:
    """Check the format of a network's id."""
    if value is not None and not is_network_id(value):
        raise click.BadParameter("must be 1 to 64 of A-Z a-z 0-9 . _ -")
    return value


network_option = click.option(
    "--network", required=True, callback=network_callback, help="The network (tenant)."
)
only_network_option = click.option(
    "--network", callback=network_callback, help="List only this network."
)
