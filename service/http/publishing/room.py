"""Admission by bytes: as many as the producer is measured to send in time, up to a configured limit."""

from __future__ import annotations

import math
from collections import Counter

from service.http.kit.problems import RETRY_AFTER_SECONDS, unavailable

# Bytes per record besides its value: key, headers, and the objects that wait for its acknowledgement.
RECORD_BYTES = 1024
# Accepted records should reach the broker after about this long.
QUEUE_SECONDS = 2.0
# Always accepted, because a rate measured on a few records means little.
LEAST_BYTES = 2 * 1024 * 1024
# The rate is measured only while at least this much waits; with less it is the clients' rate, not the producer's.
_BUSY_BYTES = 64 * 1024
_LONGEST_RETRY_SECONDS = 30


class Room:
    """Counts the bytes that are accepted and not yet acknowledged, by network, under one limit for all networks.

    A network with bytes here may use no more than it leaves free: at most half, and an equal part if several are busy.
    A network with none is accepted as long as the limit allows.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._of: Counter[str] = Counter()
        self._taken = 0
        self._sent = 0  # since the last measurement
        self._was_busy = False
        self._rate: float | None = None

    def take(self, network_id: str, cost: int) -> None:
        """Accept all of a request's bytes, or none. Raises: Problem 503, `published: no`."""
        own = self._of[network_id]
        most = self._limit if not own else self._most() - own
        if self._taken and self._taken + cost > most:
            if not own:
                del self._of[network_id]
            raise unavailable(
                "busy",
                "too many commands wait for the broker: send it again later, in smaller parts",
                "no",
                retry_after=self._retry_after(),
            )
        self._of[network_id] = own + cost
        self._taken += cost

    def give_back(self, network_id: str, cost: int, *, sent: bool = False) -> None:
        """Release bytes that no longer wait. sent: whether the broker has them."""
        self._taken -= cost
        self._of[network_id] -= cost
        if not self._of[network_id]:
            del self._of[network_id]
        if sent:
            self._sent += cost

    def measure(self, seconds: float) -> None:
        """Measure the rate. seconds: since the last call."""
        is_busy = self._taken >= _BUSY_BYTES
        if is_busy and self._was_busy:
            rate = self._sent / seconds
            self._rate = rate if self._rate is None else 0.8 * self._rate + 0.2 * rate
        self._was_busy = is_busy
        self._sent = 0

    def _most(self) -> int:
        """The current limit in bytes."""
        if self._rate is None:
            return self._limit
        return min(self._limit, max(LEAST_BYTES, int(self._rate * QUEUE_SECONDS)))

    def _retry_after(self) -> int:
        """Seconds until the waiting bytes are sent, at the measured rate."""
        if not self._rate:
            return RETRY_AFTER_SECONDS
        return min(max(1, math.ceil(self._taken / self._rate)), _LONGEST_RETRY_SECONDS)
