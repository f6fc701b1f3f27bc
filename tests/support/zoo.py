"""Commands that were damaged at random."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.support.kafka import NewRecord
from tests.support.lane import command_json

NOW = int(time.time()) - 3600

MAX = 64 * 1024


def with_(text: str | bytes) -> bytes:
    """A good command with more text before its closing brace."""
    raw = text if isinstance(text, bytes) else text.encode()
    return command_json()[:-1] + b", " + raw + b"}"


def metadata(text: str | bytes) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode()
    return with_(b'"metadata": ' + raw)


def nested(depth: int, kind: str = "[]") -> str:
    """Nest brackets; as a value in metadata they are two levels deeper."""
    if kind == "[]":
        return "[" * depth + "]" * depth
    return '{"a":' * depth + "1" + "}" * depth


def of_size(size: int, key: bytes = b"") -> NewRecord:
    """A command of `size` bytes together with its key, padded with white space."""
    content = command_json()
    return NewRecord(content[:-1] + b" " * (size - len(content) - len(key)) + b"}", lane=0, key=key)


BLANK = (
    " ",
    "\n\t",
    "\r\v\f",
    "\x1c\x1f",
    "\x85",
    "\xa0",
    "\u1680",
    "\u2003",
    "\u2028",
    "\u202f",
    "\u205f",
    "\u3000 ",
)


def long_user(count: int, letter: str = "\U0001d11e") -> bytes:
    return command_json(user=letter * count)


_WRONG_TYPES: tuple[Any, ...] = (None, "", True, [], {}, 1.5, -1)


VALUES: list[tuple[str, bytes | None]] = [
    # not one JSON value
    ("tombstone", None),
    ("not_json", b""),
    ("not_json", b" "),
    ("not_json", b"\0"),
    ("not_json", b"\xef\xbb\xbf" + command_json()),
    ("not_json", command_json().decode().encode("utf-16")),
    ("not_json", command_json().decode().encode("utf-16-be")),
    ("not_json", command_json().decode().encode("utf-32")),
    ("not_json", b"\xff\xfe\xfd"),
    ("not_json", b"\x00\x00\x00\x00\x07\x02n\x02u"),
    ("not_json", command_json()[:-1]),
    ("not_json", command_json() + b"x"),
    ("not_json", command_json() + command_json()),
    ("not_json", command_json() + b"\0"),
    ("not_json", command_json().replace(b'"', b"'")),
    ("not_json", b"{user: 1}"),
    ("not_json", command_json()[:-1] + b",}"),
    ("not_json", b"NaN"),
    ("not_json", b"-Infinity"),
    ("not_json", b"nul"),
    ("not_json", b"01"),
    ("not_json", b'"\\x"'),
    ("not_json", b'"\\ud8"'),
    ("not_json", b'"\n"'),
    ("not_json", b'"\x01"'),
    ("not_json", b"/**/" + command_json()),
    ("not_json", metadata('{"a": Infinity}')),
    ("not_json", metadata('{"a": .5}')),
    ("not_json", metadata('{"a": 1.}')),
    ("not_json", metadata('{"a": +1}')),
    ("not_json", metadata('{"a": 0x10}')),
    ("not_json", metadata('{"a": 1e}')),
    ("not_json", metadata(b'{"a": "\xed\xa0\x80"}')),
    ("not_json", metadata(b'{"a": "\xc0\x80"}')),
    ("not_json", metadata(b'{"a": "\xf5\x80\x80\x80"}')),
    ("not_json", metadata(b'{"\xff": 1}')),
    ("not_json", b"[" * 65 + b"]" * 65),
    ("not_json", metadata(nested(63, "{}"))[:-1] + b', "x": ' + nested(65).encode() + b"}"),
    ("not_json", b"[" * 30_000 + b"]" * 30_000),
    ("not_json", b"[" * 60_000),
    ("not_json", b'{"a":' * 10_000),
    ("not_json", metadata(nested(64, "{}"))),
    # JSON, and no command
    ("invalid_field", b"[]"),
    ("invalid_field", b"{}"),
    ("invalid_field", b'"x"'),
    ("invalid_field", b"1"),
    ("invalid_field", b"null"),
    ("invalid_field", b"true"),
    ("invalid_field", b"1e400"),
    ("invalid_field", b"-0"),
    ("invalid_field", b"9" * 60_000),
    ("invalid_field", b"[" * 64 + b"]" * 64),
    ("invalid_field", json.dumps(command_json().decode()).encode()),
    ("invalid_field", b"[" + command_json() + b"]"),
    *[("invalid_field", command_json(**{name: ...})) for name in ("network_id", "user", "segment_id", "user_status")],
    *[
        ("invalid_field", command_json(**{name: odd}))
        for name in ("network_id", "user", "segment_id", "user_status")
        for odd in _WRONG_TYPES
    ],
    ("invalid_field", with_('"unknown": 1')),
    ("invalid_field", with_('"": 1')),
    ("invalid_field", with_('"\\u0000": 1')),
    ("invalid_field", with_('"\\ud800": 1')),
    ("invalid_field", with_('"User": "u"')),
    ("invalid_field", with_(json.dumps("k" * 50_000) + ": 1")),
    ("invalid_field", b"{" + b",".join(b'"%d":1' % n for n in range(6000)) + b"}"),
    # numbers
    ("invalid_field", command_json(segment_id="1")),
    ("invalid_field", command_json().replace(b'"segment_id": 1', b'"segment_id": 1.0')),
    ("invalid_field", command_json().replace(b'"segment_id": 1', b'"segment_id": 1e0')),
    ("invalid_field", command_json().replace(b'"segment_id": 1', b'"segment_id": 1e400')),
    ("invalid_field", command_json().replace(b'"segment_id": 1', b'"segment_id": -0')),
    ("invalid_field", command_json().replace(b'"segment_id": 1', b'"segment_id": ' + b"9" * 30)),
    ("invalid_field", command_json().replace(b'"segment_id": 1', b'"segment_id": ' + b"9" * 50_000)),
    ("invalid_field", command_json(segment_id=2**31)),
    ("invalid_field", command_json(segment_id=2**63)),
    ("invalid_field", command_json(segment_id=2**64)),
    ("invalid_field", command_json(segment_id=0)),
    ("unknown_segment", command_json(segment_id=2**31 - 1)),
    ("timestamp_too_old", command_json(status_change_timestamp=0)),
    ("timestamp_too_old", command_json(status_change_timestamp=-1)),
    ("timestamp_too_old", command_json(status_change_timestamp=-(2**63))),
    ("timestamp_too_old", command_json(status_change_timestamp=631_151_999)),
    ("timestamp_in_future", command_json(status_change_timestamp=2**63 - 1)),
    ("timestamp_in_future", command_json(status_change_timestamp=NOW * 1000)),
    ("timestamp_in_future", command_json(status_change_timestamp=NOW * 10**9)),
    ("timestamp_in_future", command_json(status_change_timestamp=NOW + 9999)),
    ("timestamp_in_future", with_('"status_change_timestamp": ' + "9" * 30)),
    ("timestamp_too_old", with_('"status_change_timestamp": -' + "9" * 30)),
    ("invalid_field", with_('"status_change_timestamp": 1e9')),
    ("invalid_field", with_('"status_change_timestamp": 1.5')),
    ("invalid_field", command_json(expires_at=NOW)),
    ("invalid_field", command_json(expires_at=4_102_444_800)),
    ("invalid_field", command_json(expires_at=2**63)),
    ("invalid_field", command_json(expires_at=-(2**63))),
    ("invalid_field", metadata('{"a": 1e400}')),
    ("invalid_field", metadata('{"a": -1e400}')),
    ("invalid_field", metadata('{"a": 1e999999999999}')),
    ("invalid_field", metadata('{"a": ' + "9" * 400 + "}")),
    ("invalid_field", metadata('{"a": ' + "9" * 10_000 + "}")),
    ("invalid_field", metadata('{"a": ' + "9" * 60_000 + "}")),
    ("invalid_field", metadata('{"a": 1e-99999}')),
    ("invalid_field", metadata('{"a": 1e-16384}')),
    ("invalid_field", metadata('{"a": 1e-999999999999}')),
    ("event", metadata('{"a": 1e308, "b": -1e308, "c": ' + "9" * 308 + "}")),
    ("event", metadata('{"a": 1e-400}')),
    ("event", metadata('{"a": 1e-16383}')),
    ("event", metadata('{"a": 0e99999}')),
    ("event", metadata('{"a": -0.0, "b": 0e-5, "c": 1E+2}')),
    ("event", metadata('{"a": 0.' + "1" * 16_000 + "}")),
    ("event", metadata('{"a": 12345678901234567890123456789012345678901234567890}')),
    # NUL, lone surrogates and other characters
    ("invalid_field", command_json(user="a\0b")),
    ("invalid_field", command_json(user="\0@x")),
    ("invalid_field", command_json(description="\0")),
    ("invalid_field", command_json(reference_id="\0")),
    ("invalid_field", command_json(network_id="n\0")),
    ("invalid_field", metadata('{"a": "\\u0000"}')),
    ("invalid_field", metadata('{"\\u0000": 1}')),
    ("invalid_field", metadata('{"a": ["\\ud800"]}')),
    ("invalid_field", metadata('{"\\udc00": 1}')),
    ("invalid_field", metadata('{"a": "\\udc00\\ud800"}')),
    ("invalid_field", metadata('{"\\u0000": 1, "reference_id": "\\ud800"}')),
    ("invalid_field", command_json(user="\ud800")),
    ("invalid_field", command_json(user="a\udfff@x")),
    ("invalid_field", command_json(description="\udbff")),
    ("invalid_field", command_json(network_id="\ud800")),
    ("invalid_field", command_json(user_status="\ud800")),
    ("invalid_field", command_json(user_status="add\0")),
    ("event", metadata('{"a": "\\ud834\\udd1e"}')),
    ("event", command_json(user="\uffff")),
    ("event", command_json(user="\ufffe\ufdd0\U0010ffff")),
    ("event", command_json(user="\u202eevil\u202c", description="\u200f\u0007\u001b[31m\x7f\x85")),
    ("event", command_json(user="\x01\x02\x1f")),
    *[("invalid_field", command_json(user=blank)) for blank in BLANK],
    ("event", command_json(user="\u200b")),  # it has no width, and is no white space
    ("event", command_json(user="\u3000x\u3000")),
    ("event", command_json(user="\u3000@x")),
    ("event", command_json(user="'; DROP TABLE segments.event; --")),
    ("event", command_json(user="\\N")),
    ("event", command_json(user="a\tb\\.\n")),
    ("event", command_json(user="${jndi:ldap://x}", description="%s %n {} $1")),
    ("event", command_json(user="İ@x", description="ẞ")),
    ("event", command_json(network_id="N", segment_id=1)),
    ("event", metadata('{"": {"": [null, true, {}, []]}, "\\ufeff": "\\ufeff"}')),
    ("event", metadata('{"__proto__": 1, "$ref": "#", "a.b": 1, "a/b~": 2}')),
    ("event", metadata(nested(63, "{}"))),
    ("event", metadata('{"a":' + nested(62) + "}")),
    ("event", metadata('{"a": 1, "a": 2, "a": {"b": 1, "b": 2}}')),
    ("event", b'{"user": "lost", "user_status": "nonsense", ' + command_json()[1:]),
    ("event", b"\r\n\t " + command_json() + b"\n\n"),
    ("event", command_json().replace(b"user_status", b"\\u0075ser_status")),
    # long ones
    ("event", long_user(320)),
    ("invalid_field", long_user(321)),
    ("event", command_json(user="é" * 319 + "@")),
    ("invalid_field", command_json(user="é" * 320 + "@")),
    ("event", command_json(user=" " * 30_000 + "@x" + " " * 30_000)),
    ("invalid_field", command_json(user=" " * 320)),
    ("invalid_field", command_json(user=" " * 321)),
    ("event", command_json(user="@")),
    ("event", command_json(user=" @ ")),
    ("event", command_json(description="\U0001d11e" * 4096)),
    ("invalid_field", command_json(description="\U0001d11e" * 4097)),
    ("event", command_json(reference_id="\U0001d11e" * 255)),
    ("invalid_field", command_json(reference_id="\U0001d11e" * 256)),
    ("invalid_field", command_json(reference_id="auto:x")),
    ("invalid_field", command_json(reference_id="expire:x")),
    ("invalid_field", metadata('{"reference_id": "auto:x"}')),
    ("event", command_json(reference_id="AUTO:x")),
    ("unknown_segment", command_json(network_id="n" * 64)),
    ("invalid_field", command_json(network_id="n" * 65)),
    ("invalid_field", command_json(network_id="n\n")),
    ("event", metadata(b'{"a": "' + b"x" * (16 * 1024 - 9) + b'"}')),
    ("invalid_field", metadata(b'{"a": "' + b"x" * (16 * 1024 - 8) + b'"}')),
    ("invalid_field", metadata("[]")),
    ("invalid_field", metadata('"{}"')),
    ("invalid_field", metadata("0")),
    ("invalid_field", metadata('{"reference_id": 1}')),
    ("invalid_field", metadata('{"description": {}}')),
    ("invalid_field", metadata('{"status_change_timestamp": "1"}')),
    ("timestamp_in_future", metadata('{"status_change_timestamp": ' + "9" * 25 + "}")),
    ("invalid_field", command_json(user_status="expire")),
    ("invalid_field", command_json(user_status="expire", reference_id="expire:x", status_change_timestamp=NOW)),
    ("invalid_field", command_json(user_status="ADD")),
    ("too_large", b"x" * (MAX + 1)),
    ("too_large", b"\0" * 1_000_000),
    ("not_json", b"x" * MAX),
]  # fmt: skip


_RECORDS: list[tuple[str, NewRecord]] = [
    ("event", of_size(MAX)),
    ("too_large", of_size(MAX + 1)),
    ("event", of_size(MAX, b"k" * 1000)),
    ("too_large", of_size(MAX + 1, b"k" * 1000)),
    ("too_large", NewRecord(None, lane=0, key=b"k" * (MAX + 1))),
    ("tombstone", NewRecord(None, lane=0, key=b"k" * MAX)),
    ("tombstone", NewRecord(None, lane=0, key=None)),
    ("tombstone", NewRecord(None, lane=0, key=b"")),
    ("too_large", NewRecord(b"{", lane=0, key=b"k" * MAX)),
    ("event", NewRecord(command_json(), lane=0, key=None)),
    ("event", NewRecord(command_json(), lane=0, key=b"")),
    ("event", NewRecord(command_json(), lane=0, key=b"\0")),
    ("event", NewRecord(command_json(), lane=0, key=b"\xff\xfe\0")),
    ("not_json", NewRecord(b"{", lane=0, key=b"\0\xff")),
    ("event", NewRecord(command_json(), lane=0,
                        headers=[("segments-origin", b"a:999999999999:0:99999999999999999999")])),
    ("event", NewRecord(command_json(), lane=0, headers=[("segments-origin", b"\xd9\xa1:\xd9\xa1:1")])),
    ("invalid_field", NewRecord(command_json(), lane=0, headers=[("idempotency-key", b"\0")])),
    ("not_json", NewRecord(b"{", lane=0, headers=[("idempotency-key", b"\0\xff\xed\xa0\x80")])),
    ("not_json", NewRecord(b"{", lane=0, headers=[("segments-origin", b"\0\xff")])),
    ("invalid_field", NewRecord(b"{}", lane=0, headers=[("idempotency-key", b"a"), ("idempotency-key", b"b")])),
    ("tombstone", NewRecord(None, lane=0, headers=[("idempotency-key", None), ("x", None)])),
]  # fmt: skip


def zoo() -> list[tuple[str, NewRecord]]:
    """Give every odd record with what must become of it."""
    return [(what, NewRecord(value, lane=0)) for what, value in VALUES] + _RECORDS
