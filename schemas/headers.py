"""Record headers: their names, the signature, and reading them (contract, section 2)."""

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

BELIEVED_SECONDS: Final = 3600
"""A signature is believed on a record that the broker received no further than this from when it was made."""

_IDEMPOTENCY_KEY: Final = re.compile(rb"[\x20-\x7e]{1,255}")
_NONCE: Final = re.compile(rb"([0-9]{1,10})\.([0-9a-f]{32})")
READ: Final = frozenset(
    {IDEMPOTENCY_KEY, SOURCE, ACTOR, REQUEST_ID, NONCE, SIGNATURE, ORIGIN, TRACEPARENT}
)
"""The headers that are read; no other decides anything, and none is kept."""

_SIGNATURE_VERSION: Final = b"segments-2"
_ABSENT: Final = b"\xff" * 8
_LENGTH: Final = struct.Struct(">Q").pack
_Part = str | bytes | None


class Unbelieved(StrEnum):
    """Why a signature is not believed."""

    NO_KEY = "no_key"
    """The reader has no key."""
    WRONG = "wrong"
    """Made with another key, of another topic or record, or by an earlier version."""
    LATE = "late"
    """Made long before or after the record was received."""
    AGAIN = "again"
    """Believed before, on another record."""


class Nonce(NamedTuple):
    """What makes a signature one of its kind. signed_at: Unix seconds; digits: 16 random bytes."""

    signed_at: int
    digits: bytes


class Reader(NamedTuple):
    """What signatures are read with: those that were made for `topic`, with any of `secrets`."""

    secrets: tuple[bytes, ...]
    topic: str


class Headers(NamedTuple):
    """What the headers of one record say.

    source, actor and request_id are as signed; where the signature is absent or not believed, source is
    `kafka` and the others None. origin and traceparent are as sent, None if they are not printable ASCII.
    error: what is wrong with the idempotency-key, else None. nonce: of a signature that is believed, if it is the
    first with it. unbelieved: why a signature that is there is not believed; claimed: the source that it is of.
    """

    idempotency_key: str | None = None
    source: str = UNSIGNED_SOURCE
    actor: str | None = None
    request_id: str | None = None
    origin: str | None = None
    traceparent: str | None = None
    error: str | None = None
    nonce: Nonce | None = None
    unbelieved: Unbelieved | None = None
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

    HMAC-SHA256 with `secret` over the ASCII text `segments-2` and then, in this order, topic, record
    key, record value, and the headers `segments-nonce`, `segments-source`, `segments-actor`,
    `segments-request-id`, `segments-origin`, `idempotency-key`. Each of these
    nine is its length in bytes as an unsigned 64-bit big-endian integer, then the bytes (texts
    in UTF-8). An absent one is eight bytes 0xff and nothing else, so that absent is not empty.
    `segments-nonce` is the time of signing in Unix seconds, a dot, and 32 lower case hex digits made at random; a
    signature is believed once, on a record that the broker received within an hour of that time.
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
    """Keep of headers what `read_headers` needs to come to the same: few, however many there are."""
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
    """Read the headers of a record; never raises, whatever they hold.

    key and value are the record's, which the signature covers. reader None: no signature is
    believed. received: when the record was, Unix seconds. again: its signature was believed on another record.
    Of several headers with one name the last counts, as Kafka's own `lastHeader` has
    it; only an idempotency-key that is given twice with different values is an error, for it
    decides what is the same command. Other headers, and odd ones, decide nothing.
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
    if again and not isinstance(signed, Unbelieved):
        signed = Unbelieved.AGAIN
    if isinstance(signed, Unbelieved):
        return read._replace(unbelieved=signed, claimed=_claimed(last.get(SOURCE)))
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
                error = "header idempotency-key is given twice, with different values"
        last[name] = content
    return last, error


def _signed(
    last: Mapping[str, bytes | None],
    signature: bytes,
    key: bytes | None,
    value: bytes,
    reader: Reader | None,
    received: int,
) -> tuple[Nonce, tuple[str, str | None, str | None]] | Unbelieved:
    """Nonce, source, actor and request id if the signature is right, else what is wrong with it."""
    if reader is None or not reader.secrets:
        return Unbelieved.NO_KEY
    texts = _texts(last)
    nonce = _NONCE.fullmatch(last.get(NONCE) or b"")
    if nonce is None or texts is None:
        return Unbelieved.WRONG
    # All of them, though the first may do: it takes the same time either way.
    made = [sign(secret, reader.topic, key, value, last) for secret in reader.secrets]
    if sum(hmac.compare_digest(one, signature) for one in made) == 0:
        return Unbelieved.WRONG
    signed_at = int(nonce[1])
    if abs(received - signed_at) > BELIEVED_SECONDS:
        return Unbelieved.LATE
    return Nonce(signed_at, bytes.fromhex(nonce[2].decode())), texts


def _texts(last: Mapping[str, bytes | None]) -> tuple[str, str | None, str | None] | None:
    """Source, actor and request id, if they are text that can be kept."""
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
    """Name the source that somebody claims to be, of a few: it is counted by that."""
    said = (source or b"").decode("ascii", "replace")
    return said if said in KNOWN_SOURCES else "other"


def _printable(content: bytes | None) -> str | None:
    if content is None or not _IDEMPOTENCY_KEY.fullmatch(content):
        return None
    return content.decode()
