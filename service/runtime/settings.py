"""The settings and their descriptions. `service.runtime.environment` reads them.

They are a msgspec struct because importing pydantic-settings took 0.3 s of CPU, as much as the rest of
`segments send`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta

from service.runtime.secret import SecretStr

PREFIX = "SEGMENTS_"
"""The prefix of every variable."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, its meaning and default; `segments config` lists them. Made by `read_settings`."""

    database_url: Annotated[
        SecretStr | None,
        Meta(
            description="URL of Postgres, postgresql://user:password@host:port/database; unset: `run` starts one"
        ),
    ] = None
    setup_database_url: Annotated[
        SecretStr | None,
        Meta(
            description="URL for `setup`, with a login that may create roles and schemas; default DATABASE_URL"
        ),
    ] = None
    database_pooler: Annotated[
        Literal["none", "transaction"],
        Meta(
            description="`transaction` behind a transaction pooler such as PgBouncer: no session state is used"
        ),
    ] = "none"
    kafka_bootstrap_servers: Annotated[
        str | None,
        Meta(
            description="Kafka brokers, host:port separated by commas; unset: `run` starts a local one"
        ),
    ] = None
    kafka_security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Meta(description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None,
        Meta(description="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER; unset: PLAIN"),
    ] = None
    kafka_sasl_username: Annotated[str | None, Meta(description="SASL user")] = None
    kafka_sasl_password: Annotated[SecretStr | None, Meta(description="SASL password")] = None
    kafka_sasl_oauth_token_file: Annotated[
        Path | None,
        Meta(
            description="File with the OAUTHBEARER token; read at each connection, so that another program can renew it"
        ),
    ] = None
    kafka_ssl_cafile: Annotated[
        Path | None, Meta(description="CA certificates for the brokers, PEM; unset: the system's")
    ] = None
    kafka_ssl_certfile: Annotated[
        Path | None, Meta(description="Client certificate with its chain, PEM, for mutual TLS")
    ] = None
    kafka_ssl_keyfile: Annotated[
        Path | None,
        Meta(
            description="Client key, PEM, without a passphrase; unset: read from KAFKA_SSL_CERTFILE"
        ),
    ] = None
    topic_prefix: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9._-]{1,100}\Z",
            description="Prefix of <prefix>.commands, <prefix>.rejected, <prefix>.memberships, <prefix>.checkpoints,"
            " <prefix>.owner",
        ),
    ] = "segments"
    topic_partitions: Annotated[
        int, Meta(ge=1, description="Partitions of the topics that `setup` creates")
    ] = 8
    topic_replication: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Replicas of each partition; default min(3, brokers)"),
    ] = None
    topic_retention_days: Annotated[
        int, Meta(ge=1, description="Retention of commands in Kafka, in days")
    ] = 30
    signing_key: Annotated[
        SecretStr | None,
        Meta(
            description="Key of segments-signature, at least 32 random characters; unset: headers are not signed,"
            " and signatures are not accepted"
        ),
    ] = None
    signing_key_old: Annotated[
        SecretStr | None,
        Meta(
            description="A second key whose signatures are accepted, for a rotation of SIGNING_KEY"
        ),
    ] = None
    ingest_batch_records: Annotated[
        int, Meta(ge=1, le=20000, description="Maximum records of one lane per append")
    ] = 4000
    ingest_lanes_at_once: Annotated[
        int, Meta(ge=1, description="Concurrent appends per ingest process")
    ] = 2
    segments_per_network: Annotated[
        int,
        Meta(
            ge=1,
            description="Maximum number of segments per network, archived ones included",
        ),
    ] = 10_000
    people_cache: Annotated[
        int,
        Meta(ge=1000, description="People that an ingest process caches (about 300 bytes each)"),
    ] = 150_000
    project_batch_records: Annotated[
        int, Meta(ge=1, le=50_000, description="Maximum offsets of one lane folded per transaction")
    ] = 10_000
    project_tasks: Annotated[
        int, Meta(ge=1, description="Lanes that one projection process folds concurrently")
    ] = 2
    http_host: Annotated[
        str, Meta(description="Address of the HTTP API, and of the health and metrics endpoint")
    ] = "127.0.0.1"
    http_port: Annotated[int, Meta(ge=0, le=65535, description="Port of the HTTP API")] = 8080
    http_rate_limit: Annotated[
        str,
        Meta(
            description="Rate limit of commands per API key and api process: NUMBER/second, /minute or /hour"
        ),
    ] = "5000/second"
    http_registry_rate_limit: Annotated[
        str,
        Meta(
            description="Rate limit of changes to segments per network and api process: NUMBER/second, /minute or /hour"
        ),
    ] = "10/second"
    http_in_flight: Annotated[
        int,
        Meta(
            ge=1,
            description="Maximum requests in flight per api process. One network may have as many as it leaves free:"
            " half of them if it is alone. Further requests get 503",
        ),
    ] = 2000
    http_memory_mib: Annotated[
        int,
        Meta(
            ge=1,
            description="MiB for request bodies and unread responses per api process, shared among networks as"
            " HTTP_IN_FLIGHT is. Further requests get 503",
        ),
    ] = 24
    http_connections: Annotated[
        int,
        Meta(
            ge=1,
            description="Maximum connections per api process, bounded by file descriptors. Above three quarters, idle"
            " connections are closed, those of the client with the most first",
        ),
    ] = 2000
    http_timeout_seconds: Annotated[
        float,
        Meta(
            ge=0.1,
            le=3600,
            description="Seconds that a client has to send a request's head, and its body. Three times as long applies"
            " to a client that does not read its response",
        ),
    ] = 10
    http_publish_bytes: Annotated[
        int,
        Meta(
            ge=1024 * 1024,
            description="Maximum bytes of commands per api process that the broker has not acknowledged yet,"
            " counted with 1 KiB more per command; one network may have half. Lower if the broker acknowledges less"
            " in 2 s. Further requests get 503",
        ),
    ] = 16 * 1024 * 1024
    admin: Annotated[
        Literal["on", "off"],
        Meta(description="`off`: the HTTP API has no dashboard under /admin"),
    ] = "on"
    oidc_issuer: Annotated[
        Annotated[str, Meta(pattern=r"^https?://[^\s?#]+\Z")] | None,
        Meta(
            description="URL of an OpenID Connect provider that people sign in to the dashboard by"
        ),
    ] = None
    oidc_client_id: Annotated[
        Annotated[str, Meta(max_length=255)] | None,
        Meta(description="The dashboard's client id at OIDC_ISSUER"),
    ] = None
    oidc_client_secret: Annotated[
        SecretStr | None, Meta(description="The dashboard's client secret at OIDC_ISSUER")
    ] = None
    oidc_groups: Annotated[
        Annotated[str, Meta(max_length=20_000)] | None,
        Meta(
            description="What the groups of OIDC_ISSUER may do, separated by spaces:"
            " GROUP=NETWORK:SCOPE+SCOPE,NETWORK:SCOPE. Scope `report` is given to all of them"
        ),
    ] = None
    oidc_groups_claim: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=255,
            description="The claim of the id token that has the groups",
        ),
    ] = "groups"
    oidc_scope: Annotated[
        str,
        Meta(
            pattern=r"^openid( [!-~]+)*\Z",
            description="The scopes that are asked of OIDC_ISSUER, `openid` first",
        ),
    ] = "openid email"
    seal_dir: Annotated[
        Path | None,
        Meta(
            description="Folder of the seal's tiles and checkpoint, written by `seal`; unset: `run` does not seal"
        ),
    ] = None
    seal_key_file: Annotated[
        Path | None,
        Meta(description="File with the seal's signing key, made by `segments seal key`"),
    ] = None
    seal_origin: Annotated[
        Annotated[str, Meta(min_length=1, max_length=200)] | None,
        Meta(
            description="Name of the sealed log, in checkpoints and keys; should be a URL without its scheme, such as"
            " log.example.com/segments"
        ),
    ] = None
    seal_every_seconds: Annotated[
        float, Meta(ge=0.1, le=3600, description="Seconds between checkpoints of the seal")
    ] = 10
    health_port: Annotated[
        int,
        Meta(
            ge=0, le=65535, description="Port of /health/live, /health/ready and /metrics; 0: none"
        ),
    ] = 0
    otlp_endpoint: Annotated[
        Annotated[str, Meta(pattern=r"^https?://[^\s]+\Z")] | None,
        Meta(
            description="OTLP/HTTP collector of traces, such as http://collector:4318; unset: no traces"
        ),
    ] = None
    log_format: Annotated[Literal["json", "console"], Meta(description="Format of log lines")] = (
        "json"
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Minimum level of log lines"),
    ] = "info"
    actor: Annotated[
        Annotated[str, Meta(max_length=255)] | None,
        Meta(
            description="The actor that is recorded for commands that change something; default: the system's user@host"
        ),
    ] = None
    explicit: frozenset[str] = frozenset()
    """The settings with an explicit value; the others have their default."""

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        """Return a copy with some settings changed, without checks."""
        return msgspec.structs.replace(self, **update, explicit=self.explicit.union(update))

    @property
    def signing_secret(self) -> bytes | None:
        """The signing key's bytes, or None."""
        return self.signing_key.get_secret_value().encode() if self.signing_key else None

    @property
    def signing_secrets(self) -> tuple[bytes, ...]:
        """The bytes of the keys whose signatures are accepted."""
        keys = (self.signing_key, self.signing_key_old)
        return tuple(key.get_secret_value().encode() for key in keys if key)
