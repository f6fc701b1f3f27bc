"""The incarnation of Postgres (`segments.incarnation`): a process's caches are valid for one incarnation only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

log = get_logger("incarnation")
INCARNATION = "SELECT segments.incarnation()"
# Per process, so that concurrent roles log a change once.
_logged: set[str] = set()


class Incarnation:
    """Tracks the current incarnation and clears caches when it changes."""

    def __init__(self) -> None:
        self._seen = ""
        self._forgetting: list[Callable[[], object]] = []

    def on_another(self, forget: Callable[[], object]) -> None:
        """Register a callback for a change of the incarnation."""
        self._forgetting.append(forget)

    def saw(self, incarnation: str) -> None:
        """Record the incarnation that a statement returned."""
        if incarnation == self._seen:
            return
        before, self._seen = self._seen, incarnation
        if before:
            log_change(before, incarnation)
            for forget in self._forgetting:
                forget()


def log_change(before: str, now: str) -> None:
    """Log a change of the incarnation, once per process."""
    if now in _logged:
        return
    _logged.add(now)
    log.warning(
        "Postgres was restarted, failed over or restored: caches are dropped",
        before=before,
        now=now,
    )
