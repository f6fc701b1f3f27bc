"""Free ports on the loopback address."""

import random
import socket

from stack.errors import StackError

LOOPBACK = "127.0.0.1"

# Below every usual ephemeral range (Linux 32768 up, macOS 49152 up). From within it, a client that
# keeps trying to connect to a stopped server can be given that very port as its own, connect to
# itself, and so take the port from the server that wants to come back.
_LOWEST, _HIGHEST = 15_000, 32_000
_TRIES = 200


def free_port() -> int:
    """Give a port that nobody is bound to now. Somebody may be a moment later: retry then."""
    for _ in range(_TRIES):
        port = random.randrange(_LOWEST, _HIGHEST)  # noqa: S311 - a port is no secret
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise StackError(f"no free port between {_LOWEST} and {_HIGHEST} on {LOOPBACK}")
