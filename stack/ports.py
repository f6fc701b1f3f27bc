"""Free ports on the loopback address."""

import random
import socket

from stack.errors import StackError

LOOPBACK = "127.0.0.1"

# Below the usual ephemeral ranges (Linux 32768 up, macOS 49152 up). With a port in that range, a client that retries a
# connection to a stopped server can get that port as its own, connect to itself, and block the server's restart.
_LOWEST, _HIGHEST = 15_000, 32_000
_TRIES = 200


def free_port() -> int:
    """Return a port that is free now. Another process may bind it before its use: retry then."""
    for _ in range(_TRIES):
        port = random.randrange(_LOWEST, _HIGHEST)  # noqa: S311 - a port is not a secret
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise StackError(f"no free port between {_LOWEST} and {_HIGHEST} on {LOOPBACK}")
