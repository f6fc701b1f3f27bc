r"""Reading a command: bytes → Command, or a Refusal. The one parser, however it came in.

Two routes. `schemas.command.strict_reader` is the definition: it reads strictly and names every wrong field.
The plain route here takes what is evidently right, as nearly every record is, at a quarter of
the cost; it never refuses, it only gives up, and then the careful route decides. Whatever the
plain route accepts, the careful one accepts with the same result (a property test holds them to
it). It gives up on escapes of NUL and of ASCII letters, metadata
given twice or with many brackets, very long integers, numbers that Postgres does not read as they
are written, "" where an integer is meant, `expire`.
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
    Transport,
    is_network_id,
    normalise_user,
)
from schemas.command.strict_reader import read_strictly


class _Wire(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A command as it is sent, for the plain route."""

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
"""NUL, and letters: these could spell a key in another way. Lone surrogates msgspec refuses."""
_BACKSLASH: Final = b"\\"  # one byte is found ten times as quickly as two
_LONG: Final = 300
"""An integer beyond a double's range has more digits than this."""
_SHORT: Final = 16
_REMEMBERED: Final = 4096
_LONG_INTEGER: Final = re.compile(rb"[0-9]{300}")
_DIGIT: Final = re.compile(rb"[0-9]")
_ALLOWED_IN_KAFKA: Final = ALLOWED[Transport.KAFKA]
_ALLOWED_OVER_HTTP: Final = ALLOWED[Transport.HTTP]
_GIVEN_UP: Final = (msgspec.MsgspecError, ValueError, RecursionError)

_decode = msgspec.json.Decoder(_Wire).decode


class _Reals(dict[str, msgspec.Raw]):
    """`canonical_real`; of short numbers it remembers a few, for a call from msgspec is dear."""

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
    transport: Transport = Transport.KAFKA,
    network_id: str | None = None,
    expiry_signed: bool = False,
) -> Command:
    """Read one command.

    network_id: from the path, over HTTP; the body may then leave it out, but not say another.
    expiry_signed: the service's own signature vouches for it, so it may say `expire`.

    Raises Refusal: tombstone (None), not_json or invalid_field, in that order (contract,
    section 2). Sizes are checked before (`check_size`), times after (`check_times`).
    """
    if value is None:
        raise Refusal(Reason.TOMBSTONE, "the record has no value: nothing is deleted by tombstones")
    command = _read_plainly(value, transport, network_id)
    if command is not None:
        return command
    return read_command_strictly(
        value, transport=transport, network_id=network_id, expiry_signed=expiry_signed
    )


def read_command_strictly(
    value: bytes,
    *,
    transport: Transport = Transport.KAFKA,
    network_id: str | None = None,
    expiry_signed: bool = False,
) -> Command:
    """Read one command by the careful route alone; as `read_command`, which is quicker."""
    reading = read_strictly(value, transport, network_id, expiry_signed=expiry_signed)
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


def _read_plainly(value: bytes, transport: Transport, network_id: str | None) -> Command | None:
    """Read what is evidently right; None: let the careful route decide.

    First it looks for what msgspec would pass over without a look: an earlier one of two
    `metadata`, of which it keeps the last, and integers beyond a double's range.
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
            (None, None) if not text or text == "null" else _plain_metadata(wire, text)
        )
    except _GIVEN_UP:
        return None
    network = wire.network_id
    if network_id is not None and network != network_id:
        if network:
            return None
        network = network_id
    user = normalise_user(wire.user)
    status = (_ALLOWED_IN_KAFKA if transport is Transport.KAFKA else _ALLOWED_OVER_HTTP).get(
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
    """Whether 300 digits stand in a row; they hold every 300th byte, so a few are looked at first."""
    return (
        _DIGIT.search(value[_LONG - 1 :: _LONG]) is not None
        and _LONG_INTEGER.search(value) is not None
    )


def _plain_metadata(wire: _Wire, text: str) -> tuple[str | None, bytes | None]:
    """Metadata's text and canonical form; moves lifted fields into `wire`. Raises _GIVEN_UP."""
    # A shorter text can be neither nested so deep, as what opens must close, nor so long.
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
    """Move lifted fields from metadata into `wire`. Raises ValueError where anything is odd."""
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
