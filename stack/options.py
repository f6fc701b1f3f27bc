"""What a stack is asked for."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """How to get a Kafka and a Postgres; every default suits tests and `make run`.

    `environment` is where PATH, JAVA_HOME, HOME, XDG_CACHE_HOME and DOCKER_HOST are looked up, and
    what Maven and pip run with; the URLs are never read from it unless by `from_environment`.
    """

    database_url: str | None = None
    """A Postgres that is there already, with whatever login it needs."""
    bootstrap_servers: str | None = None
    """A Kafka that is there already, `host:port,host:port`."""
    allow_docker: bool = True
    fast_jvm: bool = True
    """Start quickly with little memory; off, the JVM may optimise, as benchmarks want it."""
    keep_logs_in: Path | None = None
    """Keep the logs here, in a folder for each stack. Without, they are kept upon failure only."""
    kafka_overrides: Mapping[str, str] = field(default_factory=dict)
    kafka_listeners: Mapping[str, int] = field(default_factory=dict)
    """Further listeners, security protocol to port; their keys and logins are `kafka_overrides`. Not in Docker."""
    kafka_scram: Mapping[str, str] = field(default_factory=dict)
    """Users of SCRAM-SHA-256 and SCRAM-SHA-512, with their passwords. Not in Docker."""
    postgres_overrides: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Take the URLs where the service takes them from; the rest stays at its default."""
        return cls(
            database_url=environment.get("SEGMENTS_DATABASE_URL") or None,
            bootstrap_servers=environment.get("SEGMENTS_KAFKA_BOOTSTRAP_SERVERS") or None,
            environment=dict(environment),
        )
