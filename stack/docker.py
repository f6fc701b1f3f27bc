"""Kafka and Postgres as containers, through testcontainers.

Not tested on the machine where it was written, which has no Docker engine.
"""

import contextlib
import http.client
import importlib.util
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stack.errors import NotFittingError, StackError
from stack.home import Home
from stack.kafka import server_properties
from stack.kafka_jars import KAFKA_VERSION
from stack.ports import LOOPBACK, free_port
from stack.postgres import DATABASE, POSTGRES_SETTINGS
from stack.wire import kafka_answers, postgres_answers

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

_PING_LIMIT = 2.0
_START_PATIENCE = 90.0
_LOOK_EVERY = 0.1
_CONTROLLER = 9093


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_PING_LIMIT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_PING_LIMIT)
        self.sock.connect(self._path)


def docker_answers(environment: Mapping[str, str]) -> bool:
    """Whether a Docker engine responds to a ping within 2 s and testcontainers is installed."""
    if importlib.util.find_spec("testcontainers") is None:
        return False
    address = urlsplit(environment.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    connection: http.client.HTTPConnection
    if address.scheme == "unix":
        connection = _UnixConnection(address.path)
    elif address.scheme == "tcp" and address.hostname:
        connection = http.client.HTTPConnection(
            address.hostname, address.port or 2375, timeout=_PING_LIMIT
        )
    else:
        return False
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/_ping")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


class DockerPart:
    """One container; the engine's commands replace the signals."""

    def __init__(
        self,
        name: str,
        container: "DockerContainer",
        answers: Callable[[], bool],
        home: Home,
    ) -> None:
        """container: configured and not started."""
        self._name = name
        self._container = container
        self._answers = answers
        self._home = home

    @property
    def pid(self) -> int:
        """The process id of the server on the engine's host."""
        wrapped = self._wrapped()
        wrapped.reload()
        if not (pid := int(wrapped.attrs["State"]["Pid"])):
            raise StackError(f"{self._name} is not running; start it first")
        return pid

    def launch(self) -> None:
        """Create the container, pull its image if necessary, and wait until it responds."""
        try:
            self._container.start()
            self._await_answer()
        except StackError:
            self.discard()
            raise
        except Exception as error:  # docker, requests and urllib3 have no common root
            self.discard()
            raise NotFittingError(f"Docker could not start {self._name}: {error}") from error

    def start(self) -> None:
        """Start it again with the same port and data; returns when it responds."""
        self._wrapped().start()
        self._await_answer()

    def stop(self) -> None:
        """Shut it down in order, and wait for its end."""
        self._wrapped().stop(timeout=60)

    def kill(self) -> None:
        """SIGKILL it and all its children, and wait for their end."""
        self._wrapped().kill()
        self._wrapped().wait()

    def pause(self) -> None:
        """Freeze it and all its children."""
        self._wrapped().pause()

    def resume(self) -> None:
        """Resume it after `pause`."""
        self._wrapped().unpause()

    def restart(self) -> None:
        """`stop`, then `start`."""
        self.stop()
        self.start()

    @property
    def log_file(self) -> Path | None:
        """The file with its output, written when it ends."""
        return self._home.logs / f"{self._name.lower()}.log"

    def discard(self) -> None:
        """Save its output, and remove it with its data."""
        # Errors are ignored because nothing more can be done; Ryuk, testcontainers'
        # own guard, removes the rest.
        with contextlib.suppress(Exception):
            (self._home.logs / f"{self._name.lower()}.log").write_bytes(
                b"".join(self._container.get_logs())
            )
        with contextlib.suppress(Exception):
            self._container.stop(force=True, delete_volume=True)

    def _wrapped(self) -> Any:
        return self._container.get_wrapped_container()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _START_PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self._answers():
                    return
            if self._home.cancelled.wait(_LOOK_EVERY):
                raise StackError(f"the start of {self._name} was cancelled")
        output = b"".join(self._container.get_logs())[-2000:].decode(errors="replace")
        raise StackError(f"{self._name} did not respond within {_START_PATIENCE:.0f} s:\n{output}")


def docker_kafka(overrides: Mapping[str, str], home: Home) -> tuple[str, DockerPart]:
    """Run an empty broker; return its `host:port` and the part, ready."""
    port = free_port()
    settings = server_properties(port, _CONTROLLER, "/var/lib/kafka/data", overrides)
    # inside, the broker must listen on the container's own address to be reachable
    settings["listeners"] = f"PLAINTEXT://:{port},CONTROLLER://{LOOPBACK}:{_CONTROLLER}"
    settings["controller.quorum.voters"] = f"1@{LOOPBACK}:{_CONTROLLER}"
    del settings["controller.quorum.bootstrap.servers"]
    container = _container(f"apache/kafka:{KAFKA_VERSION}", port, port)
    for name, value in settings.items():
        container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
    part = DockerPart("Kafka", container, lambda: kafka_answers(port), home)
    part.launch()
    return f"{LOOPBACK}:{port}", part


def docker_postgres(overrides: Mapping[str, str], home: Home) -> tuple[str, DockerPart]:
    """Run a server with an empty database `segments`; return its URL and the part, ready."""
    port = free_port()
    container = _container("postgres:17.11", port, 5432)
    container.with_env("POSTGRES_HOST_AUTH_METHOD", "trust")
    container.with_env("POSTGRES_DB", DATABASE)
    container.with_env("POSTGRES_INITDB_ARGS", "--encoding=UTF8 --locale=C.UTF-8")
    command = ["postgres"]
    for name, value in {**POSTGRES_SETTINGS, **overrides}.items():
        command += ["-c", f"{name}={value}"]
    container.with_command(command)
    container.with_kwargs(shm_size="1g")  # Docker's 64 MiB are too few for parallel queries
    part = DockerPart("Postgres", container, lambda: postgres_answers(port, DATABASE), home)
    part.launch()
    return f"postgresql://postgres@{LOOPBACK}:{port}/{DATABASE}", part


def _container(image: str, port: int, inner: int) -> "DockerContainer":
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - slow, and optional

    container = DockerContainer(image)
    # `with_bind_ports` would open the port to the whole network, without a password.
    container.ports[f"{inner}/tcp"] = (LOOPBACK, port)  # type: ignore[assignment]
    return container
