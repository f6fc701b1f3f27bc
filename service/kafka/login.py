"""Logging in to Kafka: TLS and SASL from the settings, and what is said when the brokers refuse us.

aiokafka tries every broker for 40 s, logs why each failed, and then says only that it could not bootstrap. So before a
client starts we log in once ourselves, to all brokers at once, and let it begin with one that answered: whoever is
refused is told why, and does not try for ever; that brokers are away is known after 10 s, and told by address.
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
# Told what was met at each address when no broker answers a login: aiokafka's log knows nothing of it.
when_away: list[Callable[[str], None]] = []


class _OAuth(OAuthAuthenticator):
    """aiokafka's side of OAUTHBEARER, with an ear for the answer: a refusal comes without an error code.

    Source: RFC 7628, section 3.2.2. Unheard, the broker's next words are taken for metadata of no brokers, and the
    client tries for ever.
    """

    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        """Give the token; then look whether it was taken."""
        if payload:
            raise AuthenticationFailedError(
                f"the token is refused: {payload.decode(errors='replace')}"
            )
        asked: tuple[bytes, bool] | None = await super().step(payload)  # type: ignore[no-untyped-call]
        return asked


aiokafka.conn.OAuthAuthenticator = _OAuth  # type: ignore[misc]


class TokenFile(AbstractTokenProvider):
    """The OAUTHBEARER token that stands in a file; read at each connection, so that another program may renew it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """Read it. Raises: AuthenticationFailedError when there is none."""
        try:
            text = await asyncio.to_thread(self._path.read_text, "utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise AuthenticationFailedError(f"the token can't be read: {error}") from error
        if not text.strip():
            raise AuthenticationFailedError(f"the token file {self._path} is empty")
        return text.strip()


def login_options(settings: Settings) -> dict[str, Any]:
    """Give aiokafka's options of TLS and SASL. Raises: WrongUseError when settings are missing or can't be used."""
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
            # A key with a passphrase is refused: OpenSSL would ask for it on the terminal.
            context.load_cert_chain(certificate, key, password="")
        except OSError as error:
            raise WrongUseError(
                "SEGMENTS_KAFKA_SSL_CERTFILE and SEGMENTS_KAFKA_SSL_KEYFILE must be PEM, the key without a passphrase"
                f" ({certificate}, {key}): {error}"
            ) from error
    return context


async def start(client: Any, options: dict[str, Any]) -> None:
    """Start a producer, consumer or admin client that was made with these options of `connection_options`.

    Raises: KafkaRefusedError when the brokers refuse the login, the certificates, or what the start itself asks;
    KafkaConnectionError when none answers within 10 s, with what was met at each address.
    """
    answering = await _answering(**options)
    inner = client.client if isinstance(client, AIOKafkaProducer) else client._client  # noqa: SLF001
    inner._bootstrap_servers = [answering]  # noqa: SLF001 - it tries all in any order, each for 40 s
    try:
        await client.start()
    except DENIED as error:
        raise refused(error) from error


def refused(error: KafkaError) -> KafkaRefusedError:
    """Say that an ACL is missing."""
    return KafkaRefusedError(
        f"{type(error).__name__.removesuffix('Error')}: {error.args[0] if error.args else 'an operation'}."
        " `segments setup --print` lists the ACLs that each role needs."
    )


async def _answering(bootstrap_servers: list[str], **options: Any) -> str:
    """Log in to all brokers at once; give the first that lets us. Raises: as `start`, with what each broker said."""
    asked = {
        asyncio.create_task(_log_in_and_out(server, options)): server
        for server in bootstrap_servers
    }
    faults: dict[str, BaseException] = {}
    waiting = set(asked)
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (fault := task.result()) is None:
                    return asked[task]
                faults[asked[task]] = fault
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    said = "; ".join(f"{server}: {_say(faults[server])}" for server in bootstrap_servers)
    if any(isinstance(fault, (*_LOGIN_REFUSED, ssl.SSLError)) for fault in faults.values()):
        raise KafkaRefusedError(said)
    for tell in when_away:
        tell(said)
    raise KafkaConnectionError(said)


async def _log_in_and_out(server: str, options: dict[str, Any]) -> BaseException | None:
    """Log in to a broker and leave. Returns: what went wrong."""
    ((host, port, _),) = collect_hosts([server])
    timeout_ms = LOGIN_SECONDS * 1000
    connection = AIOKafkaConnection(host, port, request_timeout_ms=timeout_ms, **options)
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            await connection.connect()
    except (KafkaError, OSError, TimeoutError) as error:
        if isinstance(error, KafkaError):
            # It was connected. Left to itself it would close when the loop is gone, as after a command.
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await asyncio.shield(connection.close())
        return _tls_fault(error) or error
    await connection.close()
    return None


def _tls_fault(error: BaseException | None) -> ssl.SSLError | None:
    """Find the TLS alert behind an error: a refused client certificate shows only as a lost connection."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__
    return error


def _say(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}), see SEGMENTS_KAFKA_SSL_CAFILE"
    if isinstance(error, ssl.SSLError) and "CERTIFICATE" in (error.reason or ""):
        return (
            f"it wants another client certificate ({error.reason}), see SEGMENTS_KAFKA_SSL_CERTFILE"
        )
    if isinstance(error, _LOGIN_REFUSED):
        return str(error.args[0]) if error.args else type(error).__name__
    if isinstance(error, TimeoutError):
        return f"no answer within {LOGIN_SECONDS} s"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
