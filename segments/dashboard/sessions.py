"""Sessions of the dashboard: confirmed by Postgres at most once a second each."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections import OrderedDict
from dataclasses import replace
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from schemas.command.rules import is_network_id
from service.http.kit.key_cache import LOOKUP_SECONDS
from service.registry import sessions
from service.registry.api_keys import Scope
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.errors import DatabaseAwayError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Scope as RequestScope

    from service.postgres.database import Database
    from service.registry.api_keys import ApiKey

_NETWORK = re.compile(r"/admin/networks/([^/]+)")
COOKIE = "segments_session"
PATH = "/admin"
# A session that was ended, or whose key was revoked, is refused after this time.
CONFIRM_SECONDS = 1.0
# Cached sessions; the longest unused leave first.
MOST = 10_000


class Sessions:
    """The sessions of this installation, with role segments_api."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # By token: the keys, and the loop's time of their confirmation.
        self._cached: OrderedDict[str, tuple[tuple[ApiKey, ...], float]] = OrderedDict()

    def forget(self) -> None:
        """Drop all that is cached, because the database was restored or replaced."""
        self._cached.clear()

    def network_of(self, scope: RequestScope) -> str | None:
        """Return the network of a request's cached session, without I/O: whose share the request counts against."""
        for name, value in scope["headers"]:
            if name == b"cookie":
                cached = self._cached.get(_token_in(value.decode("latin-1")) or "")
                return key_for(cached[0], _network_in(scope["path"])).network_id if cached else None
        return None

    async def find(self, token: str) -> tuple[ApiKey, ...]:
        """Return the keys of a session by network; none if it is over. Raises: DatabaseAwayError."""
        now = asyncio.get_running_loop().time()
        cached = self._cached.get(token)
        if cached is not None and now - cached[1] < CONFIRM_SECONDS:
            self._cached.move_to_end(token)
            return cached[0]
        try:
            async with self._database.hurried(LOOKUP_SECONDS) as connection:
                keys = await sessions.find_session(connection, token)
        except INFRASTRUCTURE as error:
            raise DatabaseAwayError from error
        self._cached.pop(token, None)
        if keys:
            self._cached[token] = (keys, now)
            if len(self._cached) > MOST:
                self._cached.popitem(last=False)
        return keys

    async def open(self, *keys: ApiKey) -> str:
        """Begin a session of keys, each of another network; return its token. Raises: DatabaseAwayError."""
        try:
            async with self._database.hurried(LOOKUP_SECONDS) as connection:
                return await sessions.create_session(connection, *(key.key_id for key in keys))
        except INFRASTRUCTURE as error:
            raise DatabaseAwayError from error

    async def open_by_link(self, link: str) -> str | None:
        """Use up a link and begin its session; None if the link is no longer valid. Raises: DatabaseAwayError."""
        try:
            async with self._database.hurried(LOOKUP_SECONDS) as connection:
                key = await sessions.use_link(connection, link)
                if key is None:
                    return None
                return await sessions.create_session(connection, key.key_id)
        except INFRASTRUCTURE as error:
            raise DatabaseAwayError from error

    async def end(self, token: str) -> None:
        """End a session. Raises: DatabaseAwayError."""
        self._cached.pop(token, None)
        try:
            async with self._database.hurried(LOOKUP_SECONDS) as connection:
                await sessions.end_session(connection, token)
        except INFRASTRUCTURE as error:
            raise DatabaseAwayError from error


def token_of(request: Request) -> str | None:
    """Return the session's token in the cookie of a request."""
    return _token_in(request.headers.get("cookie", ""))


def _token_in(cookies: str) -> str | None:
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Give the browser its session: for /admin only, so that the API never gets it."""
    seconds = int(sessions.LIFETIME.total_seconds())
    response.set_cookie(
        COOKIE, token, max_age=seconds, path=PATH, secure=scheme_of(request) == "https", httponly=True,
        samesite="strict",
    )  # fmt: skip


def delete_cookie(response: Response) -> None:
    """Remove the session from the browser."""
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")


def scheme_of(request: Request) -> str:
    """Return the scheme that the browser speaks, to the outermost proxy in front of this process if there is one."""
    schemes = request.headers.get("x-forwarded-proto", request.url.scheme)
    return schemes.partition(",")[0].strip().lower()


def key_for(keys: Sequence[ApiKey], network_id: str | None) -> ApiKey:
    """Return the key of a network: its own, or an operator's as one of it; else the first, which is then refused."""
    for key in keys:
        if key.network_id == network_id:
            return key
    for key in keys:
        if Scope.OPERATE in key.scopes and is_network_id(network_id or ""):
            return replace(key, network_id=str(network_id))
    return keys[0]


def _network_in(url: str) -> str | None:
    match = _NETWORK.match(url)
    return match[1] if match else None


def csrf_token(token: str) -> str:
    """Return what the forms of a session carry. Another site can't read it."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()
