"""Who may do what: API keys, networks, scopes, and how often."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import Path
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it

from service.http.kit.parameters import refuse_misread
from service.http.kit.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from service.http.kit.in_flight import Place
    from service.http.kit.key_cache import KeyCache
    from service.registry.api_keys import ApiKey, Scope
    from service.runtime.settings import Settings

_BEARER = "bearer "
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="segments"'}


class Admission(NamedTuple):
    """A request that may go on: with which key, in which network; headers that its answer carries."""

    key: ApiKey
    network_id: str
    headers: dict[str, str]


class Access:
    """Admits requests. Limits are counted per key, in this process."""

    def __init__(self, keys: KeyCache, settings: Settings) -> None:
        self._keys = keys
        self._rate = Rate(settings.http_rate_limit)

    async def admit(
        self,
        state: MutableMapping[str, Any],
        authorization: str | None,
        network_id: str,
        *scopes: Scope,
    ) -> Admission:
        """Admit a request to a network, or raise a Problem: 401, 403, 429 or 503; or DatabaseAwayError.

        state: the request's, as scope["state"] has it; its `headers` are what its answer carries, whatever it is.
        authorization: the header as it was sent. scopes: any of them will do. The network is looked at before anything
        else is: a key of another one learns nothing.
        """
        key = await self._key(authorization or "")
        if key.network_id != network_id or key.scopes.isdisjoint(scopes):
            wanted = " or ".join(scopes)
            raise Problem(403, "forbidden", f"it takes a key of this network with scope {wanted}")
        state["headers"] = headers = self._count(key, 1)
        place: Place = state["place"]
        place.claim(network_id)
        return Admission(key, network_id, headers)

    def charge(self, admission: Admission, cost: int) -> None:
        """Count a batch's commands in place of the one that it was admitted as: only now is it known how many they are.

        Refused, it takes nothing. Raises: Problem 429; 413 for what could never pass, however long its sender waits.
        """
        left = self._rate.give_back(admission.key.key_id)
        if cost > self._rate.most:
            admission.headers["RateLimit-Remaining"] = str(left)
            raise Problem(
                413,
                "too_large",
                f"{cost} at once are more than this key may send in {self._rate.seconds} s: {self._rate.most}",
            )
        admission.headers.update(self._count(admission.key, cost))

    def admits(self, *scopes: Scope) -> Callable[[Request, str], Awaitable[Admission]]:
        """Give the dependency of a route that publishes nothing, for any of some scopes."""

        async def admitted(
            request: Request, network_id: Annotated[str, Path(description="The tenant.")]
        ) -> Admission:
            admission = await self.admit(
                request.scope["state"], request.headers.get("authorization"), network_id, *scopes
            )
            refuse_misread(request)
            return admission

        return admitted

    def network_of(self, authorization: str | None) -> str | None:
        """Give the network whose request it is, as far as that is known at once; None: it may still be somebody's.

        It says whose share a request takes, and admits nobody. authorization: the header as it was sent.
        """
        text = _bearer(authorization or "")
        return None if text is None else self._keys.network_of(text)

    async def _key(self, sent: str) -> ApiKey:
        text = _bearer(sent)
        if text is None:
            raise Problem(
                401, "unauthenticated", "send Authorization: Bearer KEY", headers=_CHALLENGE
            )
        key = await self._keys.find(text)
        if key is None:
            raise Problem(
                401,
                "unauthenticated",
                "no such key, or it is revoked or expired",
                headers=_CHALLENGE,
            )
        return key

    def _count(self, key: ApiKey, cost: int) -> dict[str, str]:
        """Count a request against the key's window; gives the headers that say how much is left of it."""
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


def _bearer(authorization: str) -> str | None:
    """Give the key of an Authorization header."""
    if authorization[: len(_BEARER)].lower() != _BEARER:
        return None
    return authorization[len(_BEARER) :].strip()


class RegistryRate:
    """How often a network's segments may be changed, whichever of its keys asks for it: counted in this process."""

    def __init__(self, text: str) -> None:
        """text: as Rate has it."""
        self._rate = Rate(text)

    def charge(self, admission: Admission) -> None:
        """Count a change. Raises: Problem 429."""
        passes, _, seconds = self._rate.take(admission.network_id, 1)
        if not passes:
            raise Problem(
                429,
                "too_many_requests",
                f"a network's segments may be changed {self._rate.most} times in {self._rate.seconds} s",
                headers={**admission.headers, "Retry-After": str(math.ceil(seconds))},
            )


class Rate:
    """So much in each window of time, for each name; windows begin for all at once, so what is kept is bounded.

    Fixed windows as the library limits has them; its storage in memory starts a thread each 10 ms to forget.
    """

    def __init__(self, text: str) -> None:
        """text: NUMBER/second, /minute or /hour."""
        most, _, unit = text.partition("/")
        self.most = int(most)
        self.seconds = {"second": 1, "minute": 60, "hour": 3600}[unit]
        self._ends = 0.0
        self._used: dict[str, int] = {}

    def take(self, name: str, cost: int) -> tuple[bool, int, float]:
        """Take from a name's window, all or nothing; gives whether, what is left, and the seconds until it ends."""
        now = time.monotonic()
        if now >= self._ends:
            self._ends = now + self.seconds
            self._used.clear()
        left = self.most - self._used.get(name, 0)
        passes = cost <= left
        if passes:
            left -= cost
            self._used[name] = self.most - left
        return passes, left, min(self._ends - now, self.seconds)  # a float's sum may be more

    def give_back(self, name: str) -> int:
        """Put one back that was taken; gives what is left. None is, where the window ended meanwhile."""
        used = self._used.get(name, 0)
        if used:
            self._used[name] = used - 1
        return self.most - self._used.get(name, 0)
