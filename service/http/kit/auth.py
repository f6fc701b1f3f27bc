"""Authorization: API keys, their networks and scopes, and rate limits."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import Path
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it

from service.http.kit.parameters import refuse_misread
from service.http.kit.problems import Problem
from service.registry.api_keys import read_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from service.http.kit.in_flight import Place
    from service.http.kit.key_cache import KeyCache
    from service.registry.api_keys import ApiKey, Scope, SentKey
    from service.runtime.settings import Settings

_BEARER = "bearer "
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="segments"'}


class Admission(NamedTuple):
    """An authorized request: its key and network, and headers for its response."""

    key: ApiKey
    network_id: str
    headers: dict[str, str]


class Access:
    """Authorizes requests. Rates are counted per key, in this process."""

    def __init__(self, keys: KeyCache, settings: Settings) -> None:
        self._keys = keys
        self._rate = Rate(settings.http_rate_limit)

    async def admit(
        self,
        state: MutableMapping[str, Any],
        network_id: str,
        *scopes: Scope,
    ) -> Admission:
        """Admit a request to a network.

        state: scope["state"] of the request, with `sent_key`; its `headers` are added to every response, errors
        included. scopes: any one of them is enough. The network is checked first, so that a key of another network
        learns nothing.
        Raises: Problem 401, 403, 429 or 503; DatabaseAwayError.
        """
        return self.admit_key(state, await self._key(state["sent_key"]), network_id, *scopes)

    def admit_key(
        self,
        state: MutableMapping[str, Any],
        key: ApiKey,
        network_id: str,
        *scopes: Scope,
    ) -> Admission:
        """Admit a request by a key that was found. Arguments and problems as for `admit`."""
        if key.network_id != network_id or key.scopes.isdisjoint(scopes):
            wanted = " or ".join(scopes)
            raise Problem(403, "forbidden", f"use a key of this network with scope {wanted}")
        state["headers"] = headers = self._count(key, 1)
        place: Place = state["place"]
        place.claim(network_id)
        return Admission(key, network_id, headers)

    def charge(self, admission: Admission, cost: int) -> None:
        """Count each command of a batch, in place of the one request that `admit` counted before the body was read.

        Raises: Problem 429; 413 for a batch larger than the limit. Then nothing is counted.
        """
        left = self._rate.give_back(admission.key.key_id)
        if cost > self._rate.most:
            admission.headers["RateLimit-Remaining"] = str(left)
            raise Problem(
                413,
                "too_large",
                f"a batch of {cost} exceeds the rate limit of this key: {self._rate.most} in {self._rate.seconds} s",
            )
        admission.headers.update(self._count(admission.key, cost))

    def admits(self, *scopes: Scope) -> Callable[[Request, str], Awaitable[Admission]]:
        """Return the dependency of a route that publishes nothing. scopes: any one of them is enough."""

        async def admitted(
            request: Request, network_id: Annotated[str, Path(description="The tenant.")]
        ) -> Admission:
            admission = await self.admit(request.scope["state"], network_id, *scopes)
            refuse_misread(request)
            return admission

        return admitted

    def admits_of_any_network(self, scope: Scope) -> Callable[[Request], Awaitable[Admission]]:
        """Return the dependency of a route of the whole installation. The request counts against the key's network."""

        async def admitted(request: Request) -> Admission:
            state = request.scope["state"]
            key = await self._key(state["sent_key"])
            if scope not in key.scopes:
                raise Problem(403, "forbidden", f"use a key with scope {scope}")
            admission = self.admit_key(state, key, key.network_id, scope)
            refuse_misread(request)
            return admission

        return admitted

    def network_of(self, sent: SentKey | None) -> str | None:
        """Return the network of a cached key, without I/O; None if the key is not cached.

        It decides whose share a request counts against, and does not authorize it.
        """
        return None if sent is None else self._keys.network_of(sent)

    async def _key(self, sent: SentKey | None) -> ApiKey:
        if sent is None:
            raise Problem(
                401, "unauthenticated", "send Authorization: Bearer KEY", headers=_CHALLENGE
            )
        key = await self._keys.find(sent)
        if key is None:
            raise Problem(
                401,
                "unauthenticated",
                "no such key, or it is revoked or expired",
                headers=_CHALLENGE,
            )
        return key

    def _count(self, key: ApiKey, cost: int) -> dict[str, str]:
        """Count a request against the key's window, and return the RateLimit headers. Raises: Problem 429."""
        passes, left, seconds = self._rate.take(key.key_id, cost)
        headers = {
            "RateLimit-Limit": str(self._rate.most),
            "RateLimit-Remaining": str(left),
            "RateLimit-Reset": str(math.ceil(seconds)),
        }
        if passes:
            return headers
        raise Problem(
            429,
            "too_many_requests",
            f"this key may send {self._rate.most} in {self._rate.seconds} s",
            headers=headers | {"Retry-After": str(math.ceil(seconds))},
        )


def read_authorization(header: str | None) -> SentKey | None:
    """Return the key of an Authorization header; None if there is no bearer token."""
    if header is None or header[: len(_BEARER)].lower() != _BEARER:
        return None
    return read_key(header[len(_BEARER) :].strip())


class RegistryRate:
    """Limits how often a network's registry changes, over all its keys; counted in this process."""

    def __init__(self, text: str, what: str = "a network's segments may be changed") -> None:
        """text: as for Rate. what: may be done so often, as the refusal says it."""
        self._rate = Rate(text)
        self._what = what

    def charge(self, admission: Admission) -> None:
        """Count a change. Raises: Problem 429."""
        passes, _, seconds = self._rate.take(admission.network_id, 1)
        if not passes:
            raise Problem(
                429,
                "too_many_requests",
                f"{self._what} {self._rate.most} times in {self._rate.seconds} s",
                headers={**admission.headers, "Retry-After": str(math.ceil(seconds))},
            )


class Rate:
    """Counts in fixed windows of time, by name. One window serves all names, which bounds the memory.

    The library `limits` has fixed windows too, but its in-memory storage starts a thread every 10 ms to expire them.
    """

    def __init__(self, text: str) -> None:
        """text: NUMBER/second, /minute or /hour."""
        most, _, unit = text.partition("/")
        self.most = int(most)
        self.seconds = {"second": 1, "minute": 60, "hour": 3600}[unit]
        self._ends = 0.0
        self._used: dict[str, int] = {}

    def take(self, name: str, cost: int) -> tuple[bool, int, float]:
        """Count `cost` for a name, all or nothing; return whether it fits, what is left, and seconds to the end."""
        now = time.monotonic()
        if now >= self._ends:
            self._ends = now + self.seconds
            self._used.clear()
        left = self.most - self._used.get(name, 0)
        passes = cost <= left
        if passes:
            left -= cost
            self._used[name] = self.most - left
        return (
            passes,
            left,
            min(self._ends - now, self.seconds),
        )  # the sum is rounded, and may be larger

    def give_back(self, name: str) -> int:
        """Uncount one, unless its window has ended; return what is left."""
        used = self._used.get(name, 0)
        if used:
            self._used[name] = used - 1
        return self.most - self._used.get(name, 0)
