"""The interface to a running Kafka or Postgres, whatever the method of its start."""

from pathlib import Path
from typing import NoReturn, Protocol

from stack.errors import StackError


class Part(Protocol):
    """One server of the stack. Port and data survive all of these operations."""

    @property
    def pid(self) -> int:
        """The process id of the server; StackError if it is not running."""

    def start(self) -> None:
        """Start it again with the same port and data; returns when it responds."""

    def stop(self) -> None:
        """Shut it down in order, and wait for its end."""

    def kill(self) -> None:
        """SIGKILL it and all its children, like a power failure, and wait for their end."""

    def pause(self) -> None:
        """SIGSTOP it and all its children: connections stay open without responses."""

    def resume(self) -> None:
        """SIGCONT it after `pause`."""

    def restart(self) -> None:
        """`stop`, then `start`."""


class OwnedPart(Part, Protocol):
    """A part with the operations that only the stack uses."""

    @property
    def log_file(self) -> Path | None:
        """The log file of the server."""

    def discard(self) -> None:
        """Stop it at once, in any state; its data is discarded."""


class GivenPart:
    """An existing server, which the stack can't start or stop."""

    def __init__(self, name: str) -> None:
        """name: for messages."""
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
            f"this {self._name} is an existing server, and can't be started or stopped here;"
            " unset its address to have one started"
        )
