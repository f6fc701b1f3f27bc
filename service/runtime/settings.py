"""The settings: what there is, and what each means. `service.runtime.environment` reads them.

They are a msgspec struct: with pydantic-settings they alone took as much processor time, 0.3 s, as the rest of
`segments send`.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args

import msgspec
from msgspec import Meta

PREFIX = "SEGMENTS_"
"""What every variable's name begins with."""


class SecretStr:
    """A text that is not printed."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """Give the text."""
        return self._text

    def __eq__(self, other: object) -> bool:
        """Whether the texts are equal."""
        return isinstance(other, SecretStr) and other._text == self._text

    def __hash__(self) -> int:
        """Hash the text."""
        return hash(self._text)

    def __len__(self) -> int:
        """Give the text's length; an empty one is false."""
        return len(self._text)

    def __repr__(self) -> str:
        """Hide the text."""
        return "SecretStr('**********')"

    __str__ = __repr__


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, its meaning and default; `segments config` lists them. Made by `read_settings`."""

    database_url: Annotated[
        SecretStr | None,
        Meta(description="Postgres, as postgresql://… ; unset: a local stack is started by `run`"),
    ] = None
    setup_database_url: Annotated[
        SecretStr | None,
        Meta(
            description="Postgres login that may create roles and schemas, for `setup`; default DATABASE_URL"
        ),
    ] = None
    database_pooler: Annotated[
        Literal["none", "transaction"],
        Meta(
            description="`transaction` behind a transaction pooler such as PgBouncer: nothing rests on session state"
        ),
    ] = "none"
    kafka_bootstrap_servers: Annotated[
        str | None,
        Meta(
            description="Kafka brokers, host:port with commas; unset: a local stack is started by `run`"
        ),
    ] = None
    kafka_security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Meta(description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None,
        Meta(description="PLAIN (also if unset), SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"),
    ] = None
    kafka_sasl_username: Annotated[str | None, Meta(description="SASL user")] = None
    kafka_sasl_password: Annotated[SecretStr | None, Meta(description="SASL password")] = None
    kafka_sasl_oauth_token_file: Annotated[
        Path | None,
        Meta(
            description="File with the OAUTHBEARER token; read at each connection, so another program may renew it"
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
        Meta(description="Client key, PEM, no passphrase; unset: it is in the certificate's file"),
    ] = None
    topic_prefix: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9._-]{1,100}\Z",
            description="Topics are <prefix>.commands, <prefix>.rejected, <prefix>.memberships, <prefix>.owner",
        ),
    ] = "segments"
    topic_partitions: Annotated[
        int, Meta(ge=1, description="Partitions of the topics that `setup` makes")
    ] = 8
    topic_replication: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Replicas of each partition; default min(3, brokers)"),
    ] = None
    topic_retention_days: Annotated[
        int, Meta(ge=1, description="How long Kafka keeps commands")
    ] = 30
    signing_key: Annotated[
        SecretStr | None,
        Meta(
            description="Key of segments-signature, at least 32 random characters; without it the signed headers are"
            " neither made nor believed"
        ),
    ] = None
    signing_key_old: Annotated[
        SecretStr | None,
        Meta(
            description="Another key whose signatures are believed, while SIGNING_KEY is being changed"
        ),
    ] = None
    ingest_batch_records: Annotated[
        int, Meta(ge=1, le=20000, description="Most records of one lane in one append")
    ] = 4000
    ingest_lanes_at_once: Annotated[
        int, Meta(ge=1, description="Appends that one ingest process runs side by side")
    ] = 2
    segments_per_network: Annotated[
        int,
        Meta(
            ge=1,
            description="Segments that a network may have, archived ones too; no more are created",
        ),
    ] = 10_000
    people_cache: Annotated[
        int, Meta(ge=1000, description="People an ingest process remembers (about 300 bytes each)")
    ] = 150_000
    project_batch_records: Annotated[
        int, Meta(ge=1, le=50_000, description="Most offsets of one lane folded in one transaction")
    ] = 10_000
    project_tasks: Annotated[
        int, Meta(ge=1, description="Lanes that one projection process folds side by side")
    ] = 2
    http_host: Annotated[
        str, Meta(description="Address of the HTTP API, and of the health and metrics endpoint")
    ] = "127.0.0.1"
    http_port: Annotated[int, Meta(ge=0, le=65535, description="Port of the HTTP API")] = 8080
    http_rate_limit: Annotated[
        str,
        Meta(
            description="What one API key may send to one api process: NUMBER/second, /minute or /hour"
        ),
    ] = "5000/second"
    http_registry_rate_limit: Annotated[
        str,
        Meta(
            description="Changes of its segments that one network may ask of one api process: NUMBER/second, /minute"
            " or /hour"
        ),
    ] = "10/second"
    http_in_flight: Annotated[
        int,
        Meta(
            ge=1,
            description="Requests that one api process works on at once; a network has as many as it leaves free, alone"
            " half of them; more get 503",
        ),
    ] = 2000
    http_memory_mib: Annotated[
        int,
        Meta(
            ge=1,
            description="MiB that bodies and unread answers may hold in one api process, shared among networks in the"
            " same way; more get 503",
        ),
    ] = 24
    http_connections: Annotated[
        int,
        Meta(
            ge=1,
            description="Connections to one api process, as far as there are descriptors; from three quarters on idle"
            " ones are closed, of the client with the most first",
        ),
    ] = 2000
    http_timeout_seconds: Annotated[
        float,
        Meta(
            ge=0.1,
            le=3600,
            description="Time a client has for the next request's head, and for a body; and, three times as long, to"
            " take a part of an answer",
        ),
    ] = 10
    http_publish_bytes: Annotated[
        int,
        Meta(
            ge=1024 * 1024,
            description="Bytes of commands, 1 KiB more for each, that one api process has taken and the broker not yet"
            " acknowledged, half of them of one network; less where the broker takes less in 2 s; more get 503",
        ),
    ] = 16 * 1024 * 1024
    health_port: Annotated[
        int,
        Meta(
            ge=0, le=65535, description="Port of /health/live, /health/ready and /metrics; 0: none"
        ),
    ] = 0
    otlp_endpoint: Annotated[
        Annotated[str, Meta(pattern=r"^https?://[^\s]+\Z")] | None,
        Meta(
            description="Collector of traces, OTLP over HTTP, such as http://collector:4318; unset: no traces"
        ),
    ] = None
    log_format: Annotated[Literal["json", "console"], Meta(description="How log lines look")] = (
        "json"
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least severe log line that is written"),
    ] = "info"
    actor: Annotated[
        Annotated[str, Meta(max_length=255)] | None,
        Meta(
            description="Who is acting, for commands that change something; default: the system's user@host"
        ),
    ] = None
    given: frozenset[str] = frozenset()
    """The settings whose value was given; the others have their default."""

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        """Give a copy with some settings changed, unchecked."""
        given = self.given.union(update)
        return msgspec.structs.replace(self, **update, given=given)

    @property
    def signing_secret(self) -> bytes | None:
        """The signing key's bytes, if there is one."""
        return self.signing_key.get_secret_value().encode() if self.signing_key else None

    @property
    def signing_secrets(self) -> tuple[bytes, ...]:
        """The bytes of the keys whose signatures are believed."""
        keys = (self.signing_key, self.signing_key_old)
        return tuple(key.get_secret_value().encode() for key in keys if key)


class Setting(NamedTuple):
    """What a setting is."""

    meaning: str
    default: Any
    is_secret: bool


@cache
def settings_fields() -> dict[str, Setting]:
    """Give every setting by its name, in their order."""
    found = {}
    for field in msgspec.structs.fields(Settings):
        if field.name != "given":
            kind, meta = get_args(field.type)
            found[field.name] = Setting(
                meta.description, field.default, SecretStr in get_args(kind)
            )
    return found
