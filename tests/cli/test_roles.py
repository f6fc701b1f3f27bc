"""A role that starts while Postgres comes and goes waits for it, whatever its client makes of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from segments import roles
from service.runtime.errors import NotSetUpError
from service.runtime.secret import SecretStr
from service.runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = Settings(database_url=SecretStr("postgresql://127.0.0.1/x"))


def raising(error: Exception) -> Callable[..., object]:
    async def require_set_up(_: Settings) -> None:
        raise error

    return require_set_up


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InterfaceError("cannot call Transaction.__aexit__(): the connection is closed"),
        asyncpg.InternalClientError("got result for unknown protocol state"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        ConnectionResetError(),
        TimeoutError(),
    ],
)
async def test_a_connection_that_is_cut_at_the_first_look_ends_no_role(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(roles, "require_set_up", raising(error))
    await roles._check_database(SETTINGS)  # noqa: SLF001 - what comes before the roles


async def test_a_database_that_is_not_there_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    error = asyncpg.InvalidCatalogNameError('database "x" does not exist')
    monkeypatch.setattr(roles, "require_set_up", raising(error))
    with pytest.raises(NotSetUpError):
        await roles._check_database(SETTINGS)  # noqa: SLF001
