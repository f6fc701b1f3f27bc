"""The options of a stack."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """How to start Kafka and Postgres; the defaults are for tests and `make run`.

    `environment` provides PATH, JAVA_HOME, HOME, XDG_CACHE_HOME and DOCKER_HOST, and is the environment of Maven and
    pip. Only `from_environment` reads the URLs from it.
    """

    database_url: str | None = None
    """An existing Postgres, with the login that it needs."""
    bootstrap_servers: str | None = None
    """An existing Kafka, `host:port,host:port`."""
    allow_docker: bool = True
    fast_jvm: bool = True
    """Start fast with little memory; if off, the JVM can optimise, for benchmarks."""
    keep_logs_in: Path | None = None
    """Keep the logs here, in a folder per stack. Default: keep them only after a failure."""
    data_in: Path | None = None
    """Keep the servers' data in a temporary folder here. Default: the system's. Not in Docker."""
    kafka_overrides: Mapping[str, str] = field(default_factory=dict)
    kafka_listeners: Mapping[str, int] = field(default_factory=dict)
    """Additional listeners, security protocol to port; keys and logins are in `kafka_overrides`. Not in Docker."""
    kafka_scram: Mapping[str, str] = field(default_factory=dict)
    """Users of SCRAM-SHA-256 and SCRAM-SHA-512, with their passwords. Not in Docker."""
    postgres_overrides: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the URLs from the same variables as the service; the rest keeps its default."""
        return cls(
            database_url=environment.get("SEGMENTS_DATABASE_URL") or None,
            bootstrap_servers=environment.get("SEGMENTS_KAFKA_BOOTSTRAP_SERVERS") or None,
            environment=dict(environment),
        )
