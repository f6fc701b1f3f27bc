r"""Parses a command: bytes → Command, or a Refusal. The only parser, for Kafka and HTTP.

Two implementations. `schemas.command.strict_reader` is the definition: it parses strictly and reports every wrong
field. The fast path here accepts most valid records at a quarter of the cost. It never refuses a record; it gives up,
and the strict reader decides. The strict reader accepts whatever the fast path accepts, with the same result (a
property test compares them). The fast path gives up on escapes of NUL and of ASCII letters, metadata that occurs
twice or has many brackets, very long integers, numbers that Postgres does not accept as written, "" in place of an
integer, and `expire`.
"""

import re
from typing import Any, Final

import msgspec

from schemas.command.canonical import (
    canonical_json,
    canonical_real,
    compact_json,
    content,
    is_stored_as_sent,
)
from schemas.command.json_text import MAX_DEPTH
from schemas.command.model import Command
from schemas.command.refusal import Reason, Refusal
from schemas.command.rules import (
    ALLOWED,
    END_OF_TIME,
    LIFTED,
    MAX_DESCRIPTION_LENGTH,
    MAX_METADATA_BYTES,
    MAX_REFERENCE_LENGTH,
    MAX_SEGMENT_ID,
    MAX_USER_LENGTH,
    OVERRIDES,
    RESERVED_REFERENCES,
    Channel,
    is_network_id,
    normalise_user,
)
from schemas.command.strict_reader import read_strictly


class _Wire(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A command as sent, for the fast path."""

    user: str
    segment_id: int
    user_status: str
    network_id: str = ""
    metadata: msgspec.Raw = msgspec.Raw()
    reference_id: str | None = None
    status_change_timestamp: int | None = None
    description: str | None = None
    expires_at: int | None = None


_SUSPECT_ESCAPE: Final = re.compile(rb"\\u00(?:00|[67])")
"""NUL, and letters, which could spell a key in another way. msgspec refuses lone surrogates."""
_BACKSLASH: Final = b"\\"  # searching for one byte is ten times as fast as for two
_LONG: Final = 300
"""An integer beyond a double's range has more digits than this."""
_SHORT: Final = 16
_REMEMBERED: Final = 4096
_LONG_INTEGER: Final = re.compile(rb"[0-9]{300}")
_DIGIT: Final = re.compile(rb"[0-9]")
_ALLOWED_IN_KAFKA: Final = ALLOWED[Channel.KAFKA]
_ALLOWED_OVER_HTTP: Final = ALLOWED[Channel.HTTP]
_GIVEN_UP: Final = (msgspec.MsgspecError, ValueError, RecursionError)

_decode = msgspec.json.Decoder(_Wire).decode


class _Reals(dict[str, msgspec.Raw]):
    """`canonical_real` with a cache of short numbers, because a call from msgspec is expensive."""

    def __missing__(self, text: str) -> msgspec.Raw:
        if not is_stored_as_sent(text):
            raise ValueError
        real = canonical_real(text)
        if len(text) <= _SHORT:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[text] = real
        return real


_decode_metadata = msgspec.json.Decoder(dict[str, Any], float_hook=_Reals().__getitem__).decode
_decode_metadata_text = msgspec.json.Decoder(dict[str, Any], float_hook=msgspec.Raw).decode


def read_command(
    value: bytes | None,
    *,
    channel: Channel = Channel.KAFKA,
    network_id: str | None = None,
    expiry_signed: bool = False,
) -> Command:
    """Parse one command.

    network_id: from the path, over HTTP; the body may omit it but not name another one.
    expiry_signed: the record has the service's own signature, so `expire` is allowed.

    Raises Refusal: tombstone (None), not_json or invalid_field, in that order. Sizes are checked before
    (`check_size`), times after (`check_times`).
    """
    if value is None:
        raise Refusal(Reason.TOMBSTONE, "the record has no value; tombstones delete nothing")
    command = _read_fast(value, channel, network_id)
    if command is not None:
        return command
    return read_command_strictly(
        value, channel=channel, network_id=network_id, expiry_signed=expiry_signed
    )


def read_command_strictly(
    value: bytes,
    *,
    channel: Channel = Channel.KAFKA,
    network_id: str | None = None,
    expiry_signed: bool = False,
) -> Command:
    """Parse one command with the strict reader alone; same result as `read_command`, but slower."""
    reading = read_strictly(value, channel, network_id, expiry_signed=expiry_signed)
    status, metadata = reading.user_status, reading.metadata
    expires_at, description = reading.expires_at, reading.description
    canonical = metadata.canonical if metadata else None
    return Command(
        reading.network_id,
        normalise_user(reading.user),
        reading.user,
        reading.segment_id,
        status,
        metadata.text if metadata else None,
        reading.reference_id,
        reading.status_change_timestamp,
        description,
        expires_at,
        content(status.text, expires_at, canonical, description),
    )


def _read_fast(value: bytes, channel: Channel, network_id: str | None) -> Command | None:
    """Parse a command that is evidently valid; None: the strict reader decides.

    msgspec would ignore the first of two `metadata` members and integers that overflow a double, so these are
    checked first.
    """
    if (
        (_BACKSLASH in value and _SUSPECT_ESCAPE.search(value))
        or value.count(b"metadata") > 1
        or (len(value) >= _LONG and _has_long_integer(value))
    ):
        return None
    try:
        wire = _decode(value)
        text = str(wire.metadata, "utf-8")
        metadata, canonical = (
            (None, None) if not text or text == "null" else _fast_metadata(wire, text)
        )
    except _GIVEN_UP:
        return None
    network = wire.network_id
    if network_id is not None and network != network_id:
        if network:
            return None
        network = network_id
    user = normalise_user(wire.user)
    status = (_ALLOWED_IN_KAFKA if channel is Channel.KAFKA else _ALLOWED_OVER_HTTP).get(
        wire.user_status
    )
    time, expires_at = wire.status_change_timestamp, wire.expires_at
    reference, description = wire.reference_id or None, wire.description or None
    if (
        status is None
        or not 0 < wire.segment_id <= MAX_SEGMENT_ID
        or not 0 < len(user) <= MAX_USER_LENGTH
        or user.isspace()
        or not is_network_id(network)
        or (
            reference is not None
            and (len(reference) > MAX_REFERENCE_LENGTH or reference.startswith(RESERVED_REFERENCES))
        )
        or (description is not None and len(description) > MAX_DESCRIPTION_LENGTH)
        or (
            expires_at is not None
            and (
                status not in OVERRIDES
                or expires_at >= END_OF_TIME
                or (time is not None and expires_at <= time)
            )
        )
    ):
        return None
    return Command(
        network,
        user,
        wire.user,
        wire.segment_id,
        status,
        metadata,
        reference,
        time,
        description,
        expires_at,
        content(wire.user_status, expires_at, canonical, description),
    )


def _has_long_integer(value: bytes) -> bool:
    """Whether the value contains 300 digits in a row. They include every 300th byte, so those are checked first."""
    return (
        _DIGIT.search(value[_LONG - 1 :: _LONG]) is not None
        and _LONG_INTEGER.search(value) is not None
    )


def _fast_metadata(wire: _Wire, text: str) -> tuple[str | None, bytes | None]:
    """Return metadata's text and canonical form; move lifted fields into `wire`. Raises _GIVEN_UP."""
    # A shorter text can't be nested that deep, because brackets come in pairs, nor be that long.
    if len(text) >= 2 * MAX_DEPTH and (
        text.count("{") + text.count("[") >= MAX_DEPTH
        or memoryview(wire.metadata).nbytes > MAX_METADATA_BYTES
    ):
        raise ValueError
    metadata = _decode_metadata(wire.metadata)
    if not LIFTED.isdisjoint(metadata):
        _lift(wire, metadata)
        rest = _decode_metadata_text(wire.metadata)
        for name in LIFTED:
            rest.pop(name, None)
        text = compact_json(rest).decode()
    if not metadata:
        return None, None
    return text, canonical_json(metadata)


def _lift(wire: _Wire, metadata: dict[str, Any]) -> None:
    """Move lifted fields from metadata into `wire`. Raises ValueError if a value is unusual."""
    for name in LIFTED:
        if name not in metadata:
            continue
        inner = metadata.pop(name)
        if inner is None or inner == "":
            continue
        if type(inner) is not (int if name == "status_change_timestamp" else str):
            raise ValueError
        outer = getattr(wire, name)
        if outer is not None and outer not in ("", inner):
            raise ValueError
        setattr(wire, name, inner)
