"""Settings: built once from the environment and passed down; no other module reads it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PREFIX = "SEGMENTS_"
_FILE = "_FILE"
_LEAST_KEY = 32
_LEAST_LETTERS = 10
_PLACEHOLDER = re.compile(
    r"change.?me|replace.?me|example|secret.?key|password|0123456789|your.{0,8}key", re.IGNORECASE
)
_HOST = re.compile(r"(\[[^\]]+\]|[^:]*)(:[0-9]*)?")


def _variable(field_name: str) -> str:
    return PREFIX + field_name.upper()


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation in (SecretStr, SecretStr | None)


class _SecretFiles(PydanticBaseSettingsSource):
    """`SEGMENTS_X_FILE` names a file that holds the value of `SEGMENTS_X`; its last newline is cut."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(_variable(field_name) + _FILE)
        if not path or not _is_secret(field):
            return None, field_name, False
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value}


class Settings(BaseSettings):
    """Every setting, its meaning and default; `segments config` lists them."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    database_url: SecretStr | None = Field(
        None, description="Postgres, as postgresql://… ; unset: a local stack is started by `run`"
    )
    setup_database_url: SecretStr | None = Field(
        None,
        description="Postgres login that may create roles and schemas, for `setup`; default DATABASE_URL",
    )
    database_pooler: Literal["none", "transaction"] = Field(
        "none",
        description="`transaction` behind a transaction pooler such as PgBouncer: nothing rests on session state",
    )
    kafka_bootstrap_servers: str | None = Field(
        None,
        description="Kafka brokers, host:port with commas; unset: a local stack is started by `run`",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: (
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None
    ) = Field(
        None, description="PLAIN (also if unset), SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
    )
    kafka_sasl_username: str | None = Field(None, description="SASL user")
    kafka_sasl_password: SecretStr | None = Field(None, description="SASL password")
    kafka_sasl_oauth_token_file: Path | None = Field(
        None,
        description="File with the OAUTHBEARER token; read at each connection, so another program may renew it",
    )
    kafka_ssl_cafile: Path | None = Field(
        None, description="CA certificates for the brokers, PEM; unset: the system's"
    )
    kafka_ssl_certfile: Path | None = Field(
        None, description="Client certificate with its chain, PEM, for mutual TLS"
    )
    kafka_ssl_keyfile: Path | None = Field(
        None, description="Client key, PEM, no passphrase; unset: it is in the certificate's file"
    )
    topic_prefix: str = Field(
        "segments",
        pattern="^[A-Za-z0-9._-]{1,100}$",
        description="Topics are <prefix>.commands, <prefix>.rejected, <prefix>.memberships, <prefix>.owner",
    )
    topic_partitions: int = Field(
        8, ge=1, description="Partitions of the topics that `setup` makes"
    )
    topic_replication: int | None = Field(
        None, ge=1, description="Replicas of each partition; default min(3, brokers)"
    )
    topic_retention_days: int = Field(30, ge=1, description="How long Kafka keeps commands")
    signing_key: SecretStr | None = Field(
        None,
        description="Key of segments-signature, at least 32 random characters; without it the signed headers are"
        " neither made nor believed",
    )
    signing_key_old: SecretStr | None = Field(
        None,
        description="Another key whose signatures are believed, while SIGNING_KEY is being changed",
    )
    ingest_batch_records: int = Field(
        4000, ge=1, le=20000, description="Most records of one lane in one append"
    )
    ingest_lanes_at_once: int = Field(
        2, ge=1, description="Appends that one ingest process runs side by side"
    )
    segments_per_network: int = Field(
        10_000,
        ge=1,
        description="Segments that a network may have, archived ones too; no more are created",
    )
    people_cache: int = Field(
        150_000, ge=1000, description="People an ingest process remembers (about 300 bytes each)"
    )
    project_batch_records: int = Field(
        10_000, ge=1, le=50_000, description="Most offsets of one lane folded in one transaction"
    )
    project_tasks: int = Field(
        2, ge=1, description="Lanes that one projection process folds side by side"
    )
    http_host: str = Field(
        "127.0.0.1", description="Address of the HTTP API, and of the health and metrics endpoint"
    )
    http_port: int = Field(8080, ge=0, le=65535, description="Port of the HTTP API")
    http_rate_limit: str = Field(
        "5000/second",
        description="What one API key may send to one api process: NUMBER/second, /minute or /hour",
    )
    http_registry_rate_limit: str = Field(
        "10/second",
        description="Changes of its segments that one network may ask of one api process: NUMBER/second, /minute"
        " or /hour",
    )
    http_in_flight: int = Field(
        2000,
        ge=1,
        description="Requests that one api process works on at once; a network has as many as it leaves free, alone"
        " half of them; more get 503",
    )
    http_memory_mib: int = Field(
        24,
        ge=1,
        description="MiB that bodies and unread answers may hold in one api process, shared among networks in the same"
        " way; more get 503",
    )
    http_connections: int = Field(
        2000,
        ge=1,
        description="Connections to one api process, as far as there are descriptors; from three quarters on idle ones"
        " are closed, of the client with the most first",
    )
    http_timeout_seconds: float = Field(
        10,
        ge=0.1,
        le=3600,
        description="Time a client has for the next request's head, and for a body; and, three times as long, to take a"
        " part of an answer",
    )
    http_publish_bytes: int = Field(
        16 * 1024 * 1024,
        ge=1024 * 1024,
        description="Bytes of commands, 1 KiB more for each, that one api process has taken and the broker not yet"
        " acknowledged, half of them of one network; less where the broker takes less in 2 s; more get 503",
    )
    health_port: int = Field(
        0, ge=0, le=65535, description="Port of /health/live, /health/ready and /metrics; 0: none"
    )
    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^\s]+$",
        description="Collector of traces, OTLP over HTTP, such as http://collector:4318; unset: no traces",
    )
    log_format: Literal["json", "console"] = Field("json", description="How log lines look")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log line that is written"
    )
    actor: str | None = Field(
        None,
        max_length=255,
        description="Who is acting, for commands that change something; default: the system's user@host",
    )

    @field_validator("database_url", "setup_database_url")
    @classmethod
    def _is_database_url(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuse what the driver could not read, without showing it: its own message would quote the password."""
        if value is None:
            return value
        parts = urlsplit(value.get_secret_value())
        readable = parts.scheme in ("postgresql", "postgres") and all(
            _HOST.fullmatch(host) for host in parts.netloc.rpartition("@")[2].split(",")
        )
        if not readable or not all("=" in pair for pair in parts.query.split("&") if parts.query):
            raise ValueError(
                "must be postgresql://user:password@host:port/database, special characters percent-encoded"
            )
        return value

    @field_validator("signing_key", "signing_key_old", check_fields=False)
    @classmethod
    def _is_hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuse a key that anybody might try: who has it may sign whatever they like."""
        if value is None:
            return value
        key = value.get_secret_value()
        if len(key) < _LEAST_KEY or len(set(key)) < _LEAST_LETTERS or _PLACEHOLDER.search(key):
            raise ValueError(
                f"must be at least {_LEAST_KEY} random characters, and no placeholder; make one with"
                " `openssl rand -base64 32`"
            )
        return value

    @field_validator("http_rate_limit", "http_registry_rate_limit")
    @classmethod
    def _is_rate(cls, value: str) -> str:
        if not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour)", value):
            raise ValueError("must be NUMBER/second, NUMBER/minute or NUMBER/hour")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Given values first, then the environment, then secrets in files."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @property
    def signing_secret(self) -> bytes | None:
        """The signing key's bytes, if there is one."""
        return self.signing_key.get_secret_value().encode() if self.signing_key else None

    @property
    def signing_secrets(self) -> tuple[bytes, ...]:
        """The bytes of the keys whose signatures are believed."""
        keys = (self.signing_key, self.signing_key_old)
        return tuple(key.get_secret_value().encode() for key in keys if key)


def unknown_variables() -> list[str]:
    """List the variables of the environment that look like settings and are none, as a misspelt one."""
    known = {_variable(name) for name in Settings.model_fields}
    known |= {
        _variable(n) + _FILE for n, field in Settings.model_fields.items() if _is_secret(field)
    }
    return sorted(n for n in os.environ if n.upper().startswith(PREFIX) and n.upper() not in known)
