"""Decides when a lane's last record is compared again: after a change of the leader, or an outage of the broker.

A new leader may lack the end of the partition, and write other records at the same offsets. Leader epochs never
decrease within a partition; if they do, it is another one. A broker restored from a copy repeats the same epochs.
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
        """Note that the last record was compared. epoch: that of the record, if any."""
        self._fed = epoch
        # What was opened was compared under the leader of the records that gave rise to it, or a later one.
        self._compared_under = epoch if self._led_by is None else self._led_by
        self._led_by = None

    def doubt_about(self, first: int, last: int) -> str | None:
        """Return why the last record must be compared before records of these epochs are accepted, or None."""
        known, before = self._compared_under, self._fed
        led_on = (known is None or last <= known) and (before is None or first >= before)
        if led_on and not self.in_doubt:
            self._compared_under = last if known is None else known
            self._fed = last
            return None
        self._led_by = last
        return "the broker was away" if led_on else "another leader"
