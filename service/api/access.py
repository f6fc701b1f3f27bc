"""Who may do what: API keys, networks, scopes, and how often."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

import limits
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from service.access.keys import Scope
from service.api.problems import Problem, registry_away
from service.errors import DatabaseAwayError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from service.access.keys import ApiKey
    from service.access.ring import KeyRing
    from service.settings import Settings

_BEARER = "bearer "
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="segments"'}


class Admission(NamedTuple):
    """A request that may go on: with which key, in which network; headers that its answer carries."""

    key: ApiKey
    network_id: str
    headers: dict[str, str]


class Access:
    """Admits requests. Limits are counted per key, in this process."""

    def __init__(self, keys: KeyRing, settings: Settings) -> None:
        self._keys = keys
        self._rate = limits.parse(settings.http_rate_limit)
        self._policy = f"{self._rate.amount};w={self._rate.get_expiry()}"
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def admit(self, request: Request, scope: Scope, cost: int = 1) -> Admission:
        """Admit a request to the network of its path, or raise a Problem: 401, 403, 429 or 503.

        The network is looked at before anything else is: a key of another one learns nothing.
        """
        network_id: str = request.path_params["network_id"]
        key = await self._key(request, scope)
        if key.network_id != network_id or scope not in key.scopes:
            raise Problem(403, "forbidden", f"this key may not {scope} in this network")
        return Admission(key, network_id, await self._count(key, cost))

    async def charge(self, admission: Admission, cost: int) -> None:
        """Count more against the key's rate: what a batch holds is known only once it is read."""
        if cost > 0:
            admission.headers.update(await self._count(admission.key, cost))

    def admits(self, scope: Scope) -> Callable[[Request], Awaitable[Admission]]:
        """Give the dependency of a route for one scope. The response takes its headers from request.state."""

        async def admitted(request: Request) -> Admission:
            admission = await self.admit(request, scope)
            request.state.headers = admission.headers
            return admission

        return admitted

    async def _key(self, request: Request, scope: Scope) -> ApiKey:
        sent = request.headers.get("authorization", "")
        if not sent[: len(_BEARER)].lower() == _BEARER:
            raise Problem(
                401, "unauthenticated", "send Authorization: Bearer KEY", headers=_CHALLENGE
            )
        try:
            key = await self._keys.find(sent[len(_BEARER) :].strip())
        except DatabaseAwayError:
            raise registry_away("no" if scope is Scope.PUBLISH else None) from None
        if key is None:
            raise Problem(
                401,
                "unauthenticated",
                "no such key, or it is revoked or expired",
                headers=_CHALLENGE,
            )
        return key

    async def _count(self, key: ApiKey, cost: int) -> dict[str, str]:
        fits = await self._limiter.hit(self._rate, key.key_id, cost=cost)
        stats = await self._limiter.get_window_stats(self._rate, key.key_id)
        reset = str(max(0, math.ceil(stats.reset_time - time.time())))
        headers = {
            "RateLimit-Limit": str(self._rate.amount),
            "RateLimit-Remaining": str(stats.remaining),
            "RateLimit-Reset": reset,
            "RateLimit-Policy": self._policy,
        }
        if fits:
            return headers
        raise Problem(
            429,
            "too_many_requests",
            f"this key may send {self._policy.replace(';w=', ' in ')} s",
            headers=headers | {"Retry-After": str(max(1, int(reset)))},
            published="no",
        )
