"""A bound on the requests that one process works on at once, and on one network's part of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from service.api.problems import unavailable

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_NETWORK = "in_flight_of"


class InFlight:
    """Counts requests under way. A network has half of the places at most: its slow clients hold up its own alone.

    state: of a request, as scope["state"] has it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._share = max(1, most // 2)
        self._now = 0
        self._of: Counter[str] = Counter()

    def enter(self) -> bool:
        """Take a place; gives whether there was one."""
        if self._now >= self._most:
            return False
        self._now += 1
        return True

    def claim(
        self, state: MutableMapping[str, Any], network_id: str, published: str | None
    ) -> None:
        """Count a request that has a place as a network's. Raises: Problem 503; published: as it has it."""
        if self._of[network_id] >= self._share:
            raise unavailable("busy", "too many requests of this network are in flight", published)
        self._of[network_id] += 1
        state[_NETWORK] = network_id

    def leave(self, state: MutableMapping[str, Any]) -> None:
        """Give the place back."""
        self._now -= 1
        network_id = state.pop(_NETWORK, None)
        if network_id is not None:
            self._of[network_id] -= 1
            if not self._of[network_id]:
                del self._of[network_id]
