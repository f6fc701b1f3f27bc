"""Kafka logins: TLS and SASL from the settings, and error messages for refused logins.

aiokafka tries every broker for 40 s, logs why each failed, and then raises only that it could not bootstrap. So before
a client starts, `start` logs in to all brokers at once and lets the client begin with one that responded. A refused
login fails at once with the reason, and unavailable brokers are reported by address after 10 s.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiokafka.conn
from aiokafka import AIOKafkaProducer
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator, collect_hosts
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from service.runtime.denied import DENIED
from service.runtime.errors import KafkaRefusedError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from service.runtime.settings import Settings

_LOGIN_REFUSED = (
    AuthenticationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
LOGIN_SECONDS = 10
# Called with the error of each address when no broker accepts a login; aiokafka does not log it.
on_unavailable: list[Callable[[str], None]] = []


class _OAuth(OAuthAuthenticator):
    """aiokafka's OAUTHBEARER client, extended to read the response: a refusal comes without an error code.

    Source: RFC 7628, section 3.2.2. Without this, the client takes the broker's next message for metadata without
    brokers, and retries forever.
    """

    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        """Send the token, then check whether it was accepted."""
        if payload:
            raise AuthenticationFailedError(
                f"the token is refused: {payload.decode(errors='replace')}"
            )
        response: tuple[bytes, bool] | None = await super().step(payload)  # type: ignore[no-untyped-call]
        return response


aiokafka.conn.OAuthAuthenticator = _OAuth  # type: ignore[misc]


class TokenFile(AbstractTokenProvider):
    """The OAUTHBEARER token in a file; read at each connection, so that another program can renew it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """Read the token. Raises: AuthenticationFailedError if there is none."""
        try:
            text = await asyncio.to_thread(self._path.read_text, "utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise AuthenticationFailedError(f"the token can't be read: {error}") from error
        if not text.strip():
            raise AuthenticationFailedError(f"the token file {self._path} is empty")
        return text.strip()


def login_options(settings: Settings) -> dict[str, Any]:
    """Return aiokafka's options for TLS and SASL. Raises: WrongUseError if settings are missing or unusable."""
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {"security_protocol": protocol}
    if "SASL" in protocol:
        options |= _sasl(settings)
    if protocol.endswith("SSL"):
        options["ssl_context"] = _tls(settings)
    return options


def _sasl(settings: Settings) -> dict[str, Any]:
    mechanism = settings.kafka_sasl_mechanism or "PLAIN"
    if mechanism == "OAUTHBEARER":
        if settings.kafka_sasl_oauth_token_file is None:
            raise WrongUseError("OAUTHBEARER needs SEGMENTS_KAFKA_SASL_OAUTH_TOKEN_FILE.")
        provider = TokenFile(settings.kafka_sasl_oauth_token_file)
        return {"sasl_mechanism": mechanism, "sasl_oauth_token_provider": provider}
    username, password = settings.kafka_sasl_username, settings.kafka_sasl_password
    if username is None or password is None:
        raise WrongUseError(
            f"{mechanism} needs SEGMENTS_KAFKA_SASL_USERNAME and SEGMENTS_KAFKA_SASL_PASSWORD."
        )
    return {
        "sasl_mechanism": mechanism,
        "sasl_plain_username": username,
        "sasl_plain_password": password.get_secret_value(),
    }


def _tls(settings: Settings) -> ssl.SSLContext:
    authorities, certificate = settings.kafka_ssl_cafile, settings.kafka_ssl_certfile
    try:
        context = ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise WrongUseError(f"SEGMENTS_KAFKA_SSL_CAFILE ({authorities}): {error}") from error
    if certificate is not None:
        key = settings.kafka_ssl_keyfile or certificate
        try:
            # A key with a passphrase is refused; OpenSSL would prompt for it on the terminal.
            context.load_cert_chain(certificate, key, password="")
        except OSError as error:
            raise WrongUseError(
                "SEGMENTS_KAFKA_SSL_CERTFILE and SEGMENTS_KAFKA_SSL_KEYFILE must be PEM, the key without a passphrase"
                f" ({certificate}, {key}): {error}"
            ) from error
    return context


async def start(client: Any, options: dict[str, Any]) -> None:
    """Start a producer, consumer or admin client that was created with these `connection_options`.

    Raises: KafkaRefusedError if the brokers refuse the login, the certificates, or a request of the start;
    KafkaConnectionError if none responds within 10 s, with the error of each address.
    """
    responding = await _first_responding(**options)
    inner = client.client if isinstance(client, AIOKafkaProducer) else client._client  # noqa: SLF001
    inner._bootstrap_servers = [responding]  # noqa: SLF001 - it would try all in random order, each for 40 s
    try:
        await client.start()
    except DENIED as error:
        raise refused(error) from error


def refused(error: KafkaError) -> KafkaRefusedError:
    """Return the error for a missing ACL."""
    return KafkaRefusedError(
        f"{type(error).__name__.removesuffix('Error')}: {error.args[0] if error.args else 'an operation'}."
        " `segments setup --print` lists the ACLs that each role needs."
    )


async def _first_responding(bootstrap_servers: list[str], **options: Any) -> str:
    """Log in to all brokers at once; return the first that accepts. Raises: as `start`."""
    logins = {
        asyncio.create_task(_log_in_and_out(server, options)): server
        for server in bootstrap_servers
    }
    faults: dict[str, BaseException] = {}
    waiting = set(logins)
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (fault := task.result()) is None:
                    return logins[task]
                faults[logins[task]] = fault
    finally:
        for task in logins:
            task.cancel()
        await asyncio.gather(*logins, return_exceptions=True)
    message = "; ".join(f"{server}: {_describe(faults[server])}" for server in bootstrap_servers)
    if any(isinstance(fault, (*_LOGIN_REFUSED, ssl.SSLError)) for fault in faults.values()):
        raise KafkaRefusedError(message)
    for report in on_unavailable:
        report(message)
    raise KafkaConnectionError(message)


async def _log_in_and_out(server: str, options: dict[str, Any]) -> BaseException | None:
    """Log in to a broker and disconnect. Returns: the error, or None."""
    ((host, port, _),) = collect_hosts([server])
    timeout_ms = LOGIN_SECONDS * 1000
    connection = AIOKafkaConnection(host, port, request_timeout_ms=timeout_ms, **options)
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            await connection.connect()
    except (KafkaError, OSError, TimeoutError) as error:
        if isinstance(error, KafkaError):
            # The connection is open, and would otherwise close after the event loop is gone, as after a command.
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await asyncio.shield(connection.close())
        return _tls_fault(error) or error
    await connection.close()
    return None


def _tls_fault(error: BaseException | None) -> ssl.SSLError | None:
    """Find the TLS alert among the causes of an error: a refused client certificate looks like a lost connection."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__
    return error


def _describe(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}), see SEGMENTS_KAFKA_SSL_CAFILE"
    if isinstance(error, ssl.SSLError) and "CERTIFICATE" in (error.reason or ""):
        return (
            f"it refuses the client certificate ({error.reason}), see SEGMENTS_KAFKA_SSL_CERTFILE"
        )
    if isinstance(error, _LOGIN_REFUSED):
        return str(error.args[0]) if error.args else type(error).__name__
    if isinstance(error, TimeoutError):
        return f"no answer within {LOGIN_SECONDS} s"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
