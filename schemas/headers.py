"""Record headers: their names, the signature, and reading them (docs/publishers/command-format.md)."""

import hmac
import re
import secrets
import struct
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from schemas.command.refusal import FieldError, Reason, Refusal, describe

IDEMPOTENCY_KEY: Final = "idempotency-key"
SOURCE: Final = "segments-source"
ACTOR: Final = "segments-actor"
REQUEST_ID: Final = "segments-request-id"
NONCE: Final = "segments-nonce"
SIGNATURE: Final = "segments-signature"
ORIGIN: Final = "segments-origin"
TRACEPARENT: Final = "traceparent"
SIGNED: Final = (NONCE, SOURCE, ACTOR, REQUEST_ID, ORIGIN, IDEMPOTENCY_KEY)
"""What a signature covers beside topic, key and value, in its order."""

UNSIGNED_SOURCE: Final = "kafka"
"""The source of a record whose signature is absent or wrong."""

KNOWN_SOURCES: Final = ("http", "cli", "import", "dashboard", "retry", "expiry")
"""The sources that the service itself signs."""

ACCEPTED_SECONDS: Final = 3600
"""A signature is valid if the broker received the record within this many seconds of the signing time."""

_IDEMPOTENCY_KEY: Final = re.compile(rb"[\x20-\x7e]{1,255}")
_NONCE: Final = re.compile(rb"([0-9]{1,10})\.([0-9a-f]{32})")
READ: Final = frozenset(
    {IDEMPOTENCY_KEY, SOURCE, ACTOR, REQUEST_ID, NONCE, SIGNATURE, ORIGIN, TRACEPARENT}
)
"""The headers that are read. All others are ignored and not stored."""

_SIGNATURE_VERSION: Final = b"segments-2"
_ABSENT: Final = b"\xff" * 8
_LENGTH: Final = struct.Struct(">Q").pack
_Part = str | bytes | None


class SignatureFault(StrEnum):
    """Why a signature is not accepted."""

    NO_KEY = "no_key"
    """The reader has no key."""
    WRONG = "wrong"
    """Made with another key, for another topic or record, or by an earlier version."""
    LATE = "late"
    """Made too long before or after the receipt of the record."""
    AGAIN = "again"
    """Accepted before, on another record."""


class Nonce(NamedTuple):
    """Makes a signature unique. signed_at: Unix seconds; digits: 16 random bytes."""

    signed_at: int
    digits: bytes


class Reader(NamedTuple):
    """The keys (`secrets`) that verify the signatures of records on `topic`."""

    secrets: tuple[bytes, ...]
    topic: str


class Headers(NamedTuple):
    """The parsed headers of one record.

    source, actor and request_id are as signed; without an accepted signature source is `kafka` and the others are None.
    origin and traceparent are as sent, None if they are not printable ASCII. error: the fault of the idempotency-key,
    else None. nonce: that of an accepted signature that was not seen before. signature_fault: why the signature is not
    accepted, None if it is accepted or absent; claimed: the source that such a record claims.
    """

    idempotency_key: str | None = None
    source: str = UNSIGNED_SOURCE
    actor: str | None = None
    request_id: str | None = None
    origin: str | None = None
    traceparent: str | None = None
    error: str | None = None
    nonce: Nonce | None = None
    signature_fault: SignatureFault | None = None
    claimed: str | None = None

    def check(self) -> None:
        """Raise Refusal(invalid_field) if the idempotency-key is not one."""
        if self.error is not None:
            error = FieldError("", self.error)
            raise Refusal(Reason.INVALID_FIELD, describe([error], whole=""), [error])


NO_HEADERS: Final = Headers()


def make_nonce(now: float) -> str:
    """Make the value of the header `segments-nonce`. now: Unix seconds."""
    return f"{int(now)}.{secrets.token_hex(16)}"


def sign(
    secret: bytes,
    topic: str,
    key: bytes | None,
    value: bytes,
    headers: Mapping[str, _Part],
) -> bytes:
    """Sign a record: the value of its header `segments-signature`, 64 lower case hex digits.

    HMAC-SHA256 with `secret` over the ASCII text `segments-2` followed by, in this order, topic, record
    key, record value, and the headers `segments-nonce`, `segments-source`, `segments-actor`,
    `segments-request-id`, `segments-origin`, `idempotency-key`. Each of these
    nine parts is written as its length in bytes (unsigned 64-bit big-endian integer) and its bytes (text in
    UTF-8). An absent part is written as eight bytes 0xff, so that absent and empty differ.
    `segments-nonce` is the signing time in Unix seconds, a dot, and 32 random lower case hex digits. A signature is
    accepted once, on a record that the broker received within an hour of the signing time.
    """
    framed = [_SIGNATURE_VERSION]
    for part in (topic, key, value, *map(headers.get, SIGNED)):
        if part is None:
            framed.append(_ABSENT)
            continue
        raw = part.encode() if isinstance(part, str) else part
        framed += (_LENGTH(len(raw)), raw)
    return hmac.digest(secret, b"".join(framed), "sha256").hex().encode()


def keep_headers(raw: Iterable[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    """Reduce headers to those that decide the result of `read_headers`; bounded, however many were sent."""
    last: dict[str, bytes | None] = {}
    other = None
    for name, content in raw:
        if name in READ:
            if name == IDEMPOTENCY_KEY and last.get(name, content) != content:
                other = (name, last[name])
            last[name] = content
    return [*([other] if other else ()), *last.items()]


def read_headers(
    raw: Sequence[tuple[str, bytes | None]],
    key: bytes | None = None,
    value: bytes = b"",
    reader: Reader | None = None,
    received: int = 0,
    *,
    again: bool = False,
) -> Headers:
    """Read the headers of a record. Never raises.

    key, value: the record's; the signature covers them. reader None: no signature is accepted. received: the time of
    receipt, Unix seconds. again: the signature was accepted before on another record.
    Of several headers with one name the last counts, as in Kafka's `lastHeader`. An idempotency-key that is sent twice
    with different values is an error, because it identifies the command. Other headers are ignored.
    """
    if not raw:
        return NO_HEADERS
    last, error = _last(raw)
    if not last:
        return NO_HEADERS
    idempotency_key = last.get(IDEMPOTENCY_KEY)
    read = Headers(
        idempotency_key.decode() if idempotency_key is not None and error is None else None,
        origin=_printable(last.get(ORIGIN)),
        traceparent=_printable(last.get(TRACEPARENT)),
        error=error,
    )
    signature = last.get(SIGNATURE)
    if signature is None:
        return read
    signed = _signed(last, signature, key, value, reader, received)
    if again and not isinstance(signed, SignatureFault):
        signed = SignatureFault.AGAIN
    if isinstance(signed, SignatureFault):
        return read._replace(signature_fault=signed, claimed=_claimed(last.get(SOURCE)))
    nonce, (source, actor, request_id) = signed
    return read._replace(source=source, actor=actor, request_id=request_id, nonce=nonce)


def _last(
    raw: Sequence[tuple[str, bytes | None]],
) -> tuple[dict[str, bytes | None], str | None]:
    """Of the headers that are read the last of each name, and what is wrong with the idempotency-key."""
    last: dict[str, bytes | None] = {}
    error = None
    for name, content in raw:
        if name not in READ:
            continue
        if name == IDEMPOTENCY_KEY:
            if content is None or not _IDEMPOTENCY_KEY.fullmatch(content):
                error = "header idempotency-key must be 1 to 255 printable ASCII characters"
            elif last.get(name, content) != content:
                error = "header idempotency-key is sent twice, with different values"
        last[name] = content
    return last, error


def _signed(
    last: Mapping[str, bytes | None],
    signature: bytes,
    key: bytes | None,
    value: bytes,
    reader: Reader | None,
    received: int,
) -> tuple[Nonce, tuple[str, str | None, str | None]] | SignatureFault:
    """Return nonce, source, actor and request id of a valid signature, else why it is not valid."""
    if reader is None or not reader.secrets:
        return SignatureFault.NO_KEY
    texts = _texts(last)
    nonce = _NONCE.fullmatch(last.get(NONCE) or b"")
    if nonce is None or texts is None:
        return SignatureFault.WRONG
    # All keys are tried even if the first matches, for constant time.
    made = [sign(secret, reader.topic, key, value, last) for secret in reader.secrets]
    if sum(hmac.compare_digest(one, signature) for one in made) == 0:
        return SignatureFault.WRONG
    signed_at = int(nonce[1])
    if abs(received - signed_at) > ACCEPTED_SECONDS:
        return SignatureFault.LATE
    return Nonce(signed_at, bytes.fromhex(nonce[2].decode())), texts


def _texts(last: Mapping[str, bytes | None]) -> tuple[str, str | None, str | None] | None:
    """Source, actor and request id, if they are text that can be stored."""
    source = last.get(SOURCE)
    if source is None:
        return None
    parts = (source, last.get(ACTOR), last.get(REQUEST_ID))
    if any(b"\x00" in part for part in parts if part is not None):
        return None
    try:
        name, actor, request_id = (None if part is None else part.decode() for part in parts)
    except UnicodeDecodeError:
        return None
    return name or "", actor, request_id


def _claimed(source: bytes | None) -> str:
    """Return the claimed source if it is a known one, else `other`: the label of a counter."""
    name = (source or b"").decode("ascii", "replace")
    return name if name in KNOWN_SOURCES else "other"


def _printable(content: bytes | None) -> str | None:
    if content is None or not _IDEMPOTENCY_KEY.fullmatch(content):
        return None
    return content.decode()
