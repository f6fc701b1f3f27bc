"""Record headers: their names, the signature, and reading them (contract, section 2)."""

import hmac
import re
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from schemas.refusal import FieldError, Reason, Refusal, describe

IDEMPOTENCY_KEY: Final = "idempotency-key"
SOURCE: Final = "segments-source"
ACTOR: Final = "segments-actor"
REQUEST_ID: Final = "segments-request-id"
SIGNATURE: Final = "segments-signature"
ORIGIN: Final = "segments-origin"
TRACEPARENT: Final = "traceparent"

UNSIGNED_SOURCE: Final = "kafka"
"""The source of a record whose signature is absent or wrong."""

_IDEMPOTENCY_KEY: Final = re.compile(rb"[\x20-\x7e]{1,255}")
_READ: Final = frozenset(
    {IDEMPOTENCY_KEY, SOURCE, ACTOR, REQUEST_ID, SIGNATURE, ORIGIN, TRACEPARENT}
)
_SIGNATURE_VERSION: Final = b"segments-1"
_ABSENT: Final = b"\xff" * 8
_LENGTH: Final = struct.Struct(">Q").pack
_Part = str | bytes | None


class Headers(NamedTuple):
    """What the headers of one record say.

    source, actor and request_id are as signed; where the signature is absent or wrong, source is
    `kafka` and the others None. origin and traceparent are as sent (nothing vouches for them),
    None if they are not printable ASCII. error: what is wrong with the idempotency-key, else None.
    """

    idempotency_key: str | None = None
    source: str = UNSIGNED_SOURCE
    actor: str | None = None
    request_id: str | None = None
    origin: str | None = None
    traceparent: str | None = None
    error: str | None = None

    def check(self) -> None:
        """Raise Refusal(invalid_field) if the idempotency-key is not one."""
        if self.error is not None:
            error = FieldError("", self.error)
            raise Refusal(Reason.INVALID_FIELD, describe([error], whole=""), [error])


NO_HEADERS: Final = Headers()


def sign(
    secret: bytes,
    key: bytes | None,
    value: bytes,
    source: _Part,
    actor: _Part = None,
    request_id: _Part = None,
) -> bytes:
    """Sign a record: the value of its header `segments-signature`, 64 lower case hex digits.

    HMAC-SHA256 with `secret` over the ASCII text `segments-1` and then, in this order, record
    key, record value, `segments-source`, `segments-actor`, `segments-request-id`. Each of these
    five is its length in bytes as an unsigned 64-bit big-endian integer, then the bytes (texts
    in UTF-8). An absent one is eight bytes 0xff and nothing else, so that absent is not empty.
    """
    framed = [_SIGNATURE_VERSION]
    for part in (key, value, source, actor, request_id):
        if part is None:
            framed.append(_ABSENT)
            continue
        raw = part.encode() if isinstance(part, str) else part
        framed += (_LENGTH(len(raw)), raw)
    return hmac.digest(secret, b"".join(framed), "sha256").hex().encode()


def verify(
    secret: bytes,
    key: bytes | None,
    value: bytes,
    source: _Part,
    actor: _Part,
    request_id: _Part,
    signature: bytes,
) -> bool:
    """Whether `signature` is the record's, as `sign` makes it; takes the same time either way."""
    expected = sign(secret, key, value, source, actor, request_id)
    return hmac.compare_digest(expected, signature)


def read_headers(
    raw: Sequence[tuple[str, bytes | None]],
    key: bytes | None = None,
    value: bytes = b"",
    secret: bytes | None = None,
) -> Headers:
    """Read the headers of a record; never raises, whatever they hold.

    key and value are the record's, which the signature covers. secret None: no signature is
    believed. Of several headers with one name the last counts, as Kafka's own `lastHeader` has
    it; only an idempotency-key that is given twice with different values is an error, for it
    decides what is the same command. Other headers, and odd ones, decide nothing.
    """
    if not raw:
        return NO_HEADERS
    last: dict[str, bytes | None] = {}
    error = None
    for name, content in raw:
        if name not in _READ:
            continue
        if name == IDEMPOTENCY_KEY:
            if content is None or not _IDEMPOTENCY_KEY.fullmatch(content):
                error = "header idempotency-key must be 1 to 255 printable ASCII characters"
            elif last.get(name, content) != content:
                error = "header idempotency-key is given twice, with different values"
        last[name] = content
    if not last:
        return NO_HEADERS
    source, actor, request_id = _signed(last, key, value, secret)
    idempotency_key = last.get(IDEMPOTENCY_KEY)
    return Headers(
        idempotency_key.decode() if idempotency_key is not None and error is None else None,
        source,
        actor,
        request_id,
        _printable(last.get(ORIGIN)),
        _printable(last.get(TRACEPARENT)),
        error,
    )


def _signed(
    last: dict[str, bytes | None], key: bytes | None, value: bytes, secret: bytes | None
) -> tuple[str, str | None, str | None]:
    """Source, actor and request id if the signature is right."""
    unsigned = UNSIGNED_SOURCE, None, None
    signature, source = last.get(SIGNATURE), last.get(SOURCE)
    actor, request_id = last.get(ACTOR), last.get(REQUEST_ID)
    if secret is None or signature is None or source is None:
        return unsigned
    if not verify(secret, key, value, source, actor, request_id, signature):
        return unsigned
    try:
        texts = [None if part is None else part.decode() for part in (actor, request_id)]
        name = source.decode()
    except UnicodeDecodeError:
        return unsigned
    if any("\x00" in text for text in (name, *texts) if text is not None):
        return unsigned
    return name, texts[0], texts[1]


def _printable(content: bytes | None) -> str | None:
    if content is None or not _IDEMPOTENCY_KEY.fullmatch(content):
        return None
    return content.decode()
