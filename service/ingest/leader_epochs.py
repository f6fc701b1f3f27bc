"""When a lane's last record has to be compared again: its partition had another leader, or its broker was away.

Whoever leads next may have lost the end of the partition, and have written others at the same offsets. Leader epochs
never fall within a partition; where they do, it is another one. So may a broker that was away: one that was restored
from a copy says the same epochs again.
"""

from __future__ import annotations


class LeaderEpochs:
    """The leader epochs of one partition's records. in_doubt: the connection to its broker broke."""

    def __init__(self) -> None:
        self.in_doubt = False
        self._compared_under: int | None = None  # one under which the last record was compared
        self._fed: int | None = None  # that of the last record fed
        self._led_by: int | None = None  # one to be noted once the last record is compared

    def compared(self, epoch: int | None) -> None:
        """Note that the last record was compared. epoch: its own, if there is one."""
        self._fed = epoch
        # What was opened was compared under the leader of the records that gave rise to it, or a later one.
        self._compared_under = epoch if self._led_by is None else self._led_by
        self._led_by = None

    def doubt_about(self, first: int, last: int) -> str | None:
        """Say why the last record has to be compared before records of these epochs are taken; None: it has not."""
        known, before = self._compared_under, self._fed
        led_on = (known is None or last <= known) and (before is None or first >= before)
        if led_on and not self.in_doubt:
            self._compared_under = last if known is None else known
            self._fed = last
            return None
        self._led_by = last
        return "the broker was away" if led_on else "another leader"
