"""A Kafka with TLS, SASL and ACLs, and a plain listener whose anonymous user has all rights."""

from __future__ import annotations

import base64
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import trustme
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from service.runtime.secret import SecretStr
from stack import StackOptions, start_stack
from stack.ports import LOOPBACK, free_port
from tests.support.topics import administered
from tests.support.waiting import holds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from aiokafka.admin import AIOKafkaAdminClient

    from schemas.acls import Acl
    from service.runtime.settings import Settings
    from stack import Stack

PASSWORD = "not much of a secret"  # noqa: S105 - of the tests' own broker
_LOGIN = "org.apache.kafka.common.security"
_RESOURCES = {"topic": 2, "group": 3, "transactional-id": 5}
_OPERATIONS = {
    "Read": 3, "Write": 4, "Create": 5, "Alter": 7, "Describe": 8, "DescribeConfigs": 10,
    "AlterConfigs": 11,
}  # fmt: skip
_PATTERNS = {"literal": 3, "prefixed": 4}
_ALLOW = 3


@dataclass(frozen=True)
class Secured:
    """plain: `host:port` with all rights. sasl, mutual: of SASL_SSL, and of TLS with client certificates."""

    plain: str
    sasl: str
    mutual: str
    authority: Path
    certificate: Path
    """Certificate and key of principal CN=client."""
    stranger: Path
    """The CA certificate of an unrelated CA."""

    def settings(self, base: Settings, user: str, **overrides: Any) -> Settings:
        """Return settings of a user with SCRAM over TLS."""
        return base.model_copy(
            update={
                "kafka_bootstrap_servers": self.sasl,
                "kafka_security_protocol": "SASL_SSL",
                "kafka_sasl_mechanism": "SCRAM-SHA-256",
                "kafka_sasl_username": user,
                "kafka_sasl_password": SecretStr(PASSWORD),
                "kafka_ssl_cafile": self.authority,
            }
            | overrides
        )

    def unrestricted(self, base: Settings) -> Settings:
        """Return settings of the anonymous user, who has all rights."""
        return base.model_copy(update={"kafka_bootstrap_servers": self.plain})


@contextmanager
def secured(stack: Stack, folder: Path, users: Iterable[str]) -> Iterator[Secured]:
    """Run the broker, with the Postgres of this stack, while the block runs."""
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    stranger.cert_pem.write_to_path(folder / "stranger.pem")
    client = authority.issue_cert("client@localhost", common_name="client")
    client.private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
    ports = {"SASL_SSL": free_port(), "SSL": free_port()}
    options = StackOptions(
        database_url=stack.database_url,
        allow_docker=False,
        kafka_listeners=ports,
        kafka_scram=dict.fromkeys(users, PASSWORD),
        kafka_overrides=_broker(authority),
    )
    with start_stack(options) as started:
        yield Secured(
            started.bootstrap_servers,
            f"{LOOPBACK}:{ports['SASL_SSL']}",
            f"{LOOPBACK}:{ports['SSL']}",
            folder / "ca.pem",
            folder / "client.pem",
            folder / "stranger.pem",
        )


def _broker(authority: trustme.CA) -> dict[str, str]:
    server = authority.issue_cert(LOOPBACK)
    key = load_pem_private_key(server.private_key_pem.bytes(), None)
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = b"".join(blob.bytes() for blob in server.cert_chain_pems)
    listener = "listener.name.sasl_ssl"
    oauth = f"{_LOGIN}.oauthbearer"
    return {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": "User:ANONYMOUS",
        "ssl.keystore.type": "PEM",
        "ssl.truststore.type": "PEM",
        "ssl.keystore.key": _property(pkcs8),
        "ssl.keystore.certificate.chain": _property(chain),
        "ssl.truststore.certificates": _property(authority.cert_pem.bytes()),
        "listener.name.ssl.ssl.client.auth": "required",
        "listener.name.ssl.ssl.principal.mapping.rules": r"RULE:^.*CN=([^,]+).*$/$1/",
        "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN,OAUTHBEARER",
        f"{listener}.scram-sha-256.sasl.jaas.config": f"{_LOGIN}.scram.ScramLoginModule required;",
        f"{listener}.scram-sha-512.sasl.jaas.config": f"{_LOGIN}.scram.ScramLoginModule required;",
        f"{listener}.plain.sasl.jaas.config": (
            f'{_LOGIN}.plain.PlainLoginModule required user_ann="{PASSWORD}";'
        ),
        f"{listener}.oauthbearer.sasl.jaas.config": (
            f'{oauth}.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
        ),
        f"{listener}.oauthbearer.sasl.login.callback.handler.class": (
            f"{oauth}.internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler"
        ),
        f"{listener}.oauthbearer.sasl.server.callback.handler.class": (
            f"{oauth}.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
        ),
    }


def _property(pem: bytes) -> str:
    """Encode a PEM as the value of one line of a Java properties file."""
    return pem.decode().replace("\n", "\\n")


def token(subject: str, seconds: int = 600) -> str:
    """Build a token that the unsecured validator accepts."""
    now = int(time.time())
    claims = {"sub": subject, "iat": now, "exp": now + seconds}
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


async def allow(settings: Settings, listed: Iterable[Acl], user: str | None = None) -> None:
    """Create ACLs, in effect on return; the principal is the name of the role, unless `user` is set."""
    async with administered(settings) as client:
        for acl in listed:
            response = await client._send_request(  # noqa: SLF001 - aiokafka has no API for ACLs
                CreateAclsRequest(*_described(acl, user or acl.role))
            )
            assert response.creation_responses[0][0] == 0, response
            await holds(partial(_is_there, client, acl, user or acl.role))


async def deny(settings: Settings, acl: Acl) -> None:
    """Delete one ACL; it is without effect on return."""
    async with administered(settings) as client:
        response = await client._send_request(  # noqa: SLF001
            DeleteAclsRequest(*_described(acl, acl.role))
        )
        assert len(response.filter_responses[0][2]) == 1, response
        await holds(partial(_is_gone, client, acl))


async def _is_there(client: AIOKafkaAdminClient, acl: Acl, user: str) -> bool:
    """Whether the broker applies an ACL. It responds to a change before it does."""
    response: Any = await client._send_request(  # noqa: SLF001
        DescribeAclsRequest(*_described(acl, user))
    )
    return bool(response.resources)


async def _is_gone(client: AIOKafkaAdminClient, acl: Acl) -> bool:
    return not await _is_there(client, acl, acl.role)


def _described(acl: Acl, user: str) -> tuple[int, str, int, str, str, int, int]:
    """Convert an ACL for Kafka's requests: resource, pattern, principal, host, operation, permission."""
    operation = _OPERATIONS[acl.operation]
    pattern = _PATTERNS[acl.pattern]
    return _RESOURCES[acl.resource], acl.name, pattern, f"User:{user}", "*", operation, _ALLOW
