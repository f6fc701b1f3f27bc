"""Which Postgres it is: what a process remembers of a database holds for one incarnation (`segments.incarnation`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

log = get_logger("incarnation")
INCARNATION = "SELECT segments.incarnation()"
# Of this process: roles that run side by side say it once.
_told: set[str] = set()


class Incarnation:
    """The newest that was seen; who remembers anything of the database has it forgotten when another one is."""

    def __init__(self) -> None:
        self._seen = ""
        self._forgetting: list[Callable[[], object]] = []

    def on_another(self, forget: Callable[[], object]) -> None:
        """Have this called whenever it is another one."""
        self._forgetting.append(forget)

    def saw(self, incarnation: str) -> None:
        """Take notice of the one that a statement found."""
        if incarnation == self._seen:
            return
        before, self._seen = self._seen, incarnation
        if before:
            tell(before, incarnation)
            for forget in self._forgetting:
                forget()


def tell(before: str, now: str) -> None:
    """Say in the log that Postgres is another one, once a process."""
    if now in _told:
        return
    _told.add(now)
    log.warning(
        "Postgres was started anew, failed over or was restored: nothing remembered of it is used again",
        before=before,
        now=now,
    )
