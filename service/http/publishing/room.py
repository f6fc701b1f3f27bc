"""Which commands are taken: as many bytes as the producer is measured to send in time, and a bound that is set."""

from __future__ import annotations

import math
from collections import Counter

from service.http.kit.problems import RETRY_AFTER_SECONDS, unavailable

# What a record is counted as beside its value: key, headers, and what waits for its acknowledgement.
RECORD_BYTES = 1024
# What is taken is to be with the broker after about so long.
QUEUE_SECONDS = 2.0
# So much is always taken: a rate measured on a few records says little.
LEAST_BYTES = 2 * 1024 * 1024
# The rate is measured while at least so much waits: else it tells of the clients, not of the producer.
_BUSY_BYTES = 64 * 1024
_LONGEST_RETRY_SECONDS = 30


class Room:
    """Counts what was taken and is not acknowledged yet, by network; the limit in bytes is over all of them.

    A network that has something here gets no more than it leaves free for others, so half of all at most; of several
    busy ones each has an equal part. Whoever has nothing here is taken as long as the limit allows.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._of: Counter[str] = Counter()
        self._taken = 0
        self._sent = 0  # since it was measured last
        self._was_busy = False
        self._rate: float | None = None

    def take(self, network_id: str, cost: int) -> None:
        """Take all of a request's bytes, or none. Raises: Problem 503, `published: no`."""
        own = self._of[network_id]
        most = self._limit if not own else self._most() - own
        if self._taken and self._taken + cost > most:
            if not own:
                del self._of[network_id]
            raise unavailable(
                "busy",
                "more waits to be published than the broker takes in time: send it again later, in smaller parts",
                "no",
                retry_after=self._retry_after(),
            )
        self._of[network_id] = own + cost
        self._taken += cost

    def give_back(self, network_id: str, cost: int, *, sent: bool = False) -> None:
        """Give back what no longer waits. sent: the broker has it."""
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
        """How much may be taken in all."""
        if self._rate is None:
            return self._limit
        return min(self._limit, max(LEAST_BYTES, int(self._rate * QUEUE_SECONDS)))

    def _retry_after(self) -> int:
        """In how many seconds what waits now is gone, by the measured rate."""
        if not self._rate:
            return RETRY_AFTER_SECONDS
        return min(max(1, math.ceil(self._taken / self._rate)), _LONGEST_RETRY_SECONDS)
