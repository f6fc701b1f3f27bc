"""What can be done to a running Kafka or Postgres, however it was started."""

from pathlib import Path
from typing import NoReturn, Protocol

from stack.errors import StackError


class Part(Protocol):
    """One server of the stack. Port and data survive everything that is done to it here."""

    @property
    def pid(self) -> int:
        """The process id of the server; StackError while it does not run."""

    def start(self) -> None:
        """Start it again on the same port and data; returns when it answers."""

    def stop(self) -> None:
        """Ask it to shut down in order, and wait until it has."""

    def kill(self) -> None:
        """SIGKILL it with all its children, as a power cut would, and wait until all are gone."""

    def pause(self) -> None:
        """SIGSTOP it with all its children: connections stay open and nobody answers."""

    def resume(self) -> None:
        """SIGCONT what `pause` stopped."""

    def restart(self) -> None:
        """`stop`, then `start`."""


class OwnedPart(Part, Protocol):
    """A part as the stack itself sees it."""

    @property
    def log_file(self) -> Path | None:
        """Where the server writes what it has to say."""

    def discard(self) -> None:
        """End it at once, whatever its state; its data is of no more use."""


class GivenPart:
    """A server that somebody else runs: it can be used, not driven."""

    def __init__(self, name: str) -> None:
        """`name` is the word for it in messages."""
        self._name = name

    @property
    def log_file(self) -> Path | None:
        """Not known."""
        return None

    def discard(self) -> None:
        """Leave it as it is."""

    @property
    def pid(self) -> int:
        """Not known."""
        self._refuse()

    def start(self) -> None:
        """Refuse."""
        self._refuse()

    def stop(self) -> None:
        """Refuse."""
        self._refuse()

    def kill(self) -> None:
        """Refuse."""
        self._refuse()

    def pause(self) -> None:
        """Refuse."""
        self._refuse()

    def resume(self) -> None:
        """Refuse."""
        self._refuse()

    def restart(self) -> None:
        """Refuse."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise StackError(
            f"this {self._name} was given by its address and is not ours to stop or start;"
            " leave the address out to have one started"
        )
