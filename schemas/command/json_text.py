"""Strict JSON parsing, for the strict reader of `schemas.command`.

A value is `not_json` if it is empty, not UTF-8, begins with a byte order mark, is not
exactly one JSON value (RFC 8259), contains NaN or Infinity, or is nested deeper than 64. `unstorable` finds
JSON that can't be stored (NUL, a lone surrogate, a number out of range).
"""

import json
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final, NoReturn

from schemas.command.canonical import NumberError, canonical_number, is_stored_as_sent
from schemas.command.refusal import FieldError, Reason, Refusal

MAX_DEPTH: Final = 64
"""The outermost array or object has depth 1."""

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKETS: Final = b"[{]}"
_NO_BRACKETS: Final = bytes(set(range(256)) - set(_BRACKETS))
_STEPS: Final = bytes.maketrans(_BRACKETS, b"\x01\x01\xff\xff")
# Evidently in the range of a double and of Postgres' numeric.
_MODEST_NUMBER = re.compile(r"[^eE]{1,100}+(?:[eE][+-]?[0-9]{1,2})?")
_UNSTORABLE_CHARACTER = re.compile("[\x00\ud800-\udfff]")
_POINTER_LENGTH: Final = 200

_FIRST_BYTES: Final = (
    (b"\xef\xbb\xbf", "starts with a UTF-8 byte order mark: write UTF-8 without one"),
    (b"\xff\xfe", "starts with a UTF-16 byte order mark: send UTF-8"),
    (b"\xfe\xff", "starts with a UTF-16 byte order mark: send UTF-8"),
    (b"{\x00", "every other byte is 0x00: UTF-16? Send UTF-8"),
    (b"\x00", "starts with 0x00: an Avro or Protobuf serializer?"),
    (b"\x1f\x8b", "starts with 0x1f 0x8b: gzip? Let the producer compress, not the publisher"),
    (
        b"\x28\xb5\x2f\xfd",
        "starts with the magic number of zstd: let the producer compress instead",
    ),
    (b"\x80\x04\x95", "starts with 0x80 0x04: a Python pickle?"),
    (b"\x80\x05\x95", "starts with 0x80 0x05: a Python pickle?"),
    (b"\xac\xed", "starts with 0xac 0xed: a Java serializer?"),
    (b"<", "starts with <: XML?"),
    (b"{'", "starts with {': a Python dict printed instead of JSON?"),
    (b"b'", "starts with b': Python bytes printed instead of sent?"),
)


class Integer(str):
    """The text of a JSON number without fraction and exponent."""

    __slots__ = ()


class Real(str):
    """The text of a JSON number with a fraction or an exponent."""

    __slots__ = ()


class JsonObject(dict[str, Any]):
    """An object. Of duplicate keys the last counts; `pairs` holds all of them, in order."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        """pairs: all of them, in the order of the text."""
        super().__init__(pairs)
        self.pairs = pairs


def read_json(value: bytes) -> Any:
    """Parse one JSON value strictly; numbers are kept as text, without loss.

    Returns JsonObject, list, str, Integer, Real, True, False or None.
    Raises Refusal(not_json), with a guess at the cause.
    """
    for first, guess in _FIRST_BYTES:
        if value.startswith(first):
            _refuse(guess)
    if not value.strip(b" \t\r\n"):
        _refuse("is empty" if not value else "is only white space")
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        guess = f"is not UTF-8: byte 0x{value[error.start]:02x} at position {error.start}"
        if value[0] >= 0x80:  # noqa: PLR2004 - the first byte that is not ASCII
            guess += ": a binary serializer?"
        _refuse(guess)
    if too_deep(text):
        _refuse(f"is nested deeper than {MAX_DEPTH}")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        guess = f"is not JSON: {error.msg} (line {error.lineno} column {error.colno})"
        if error.msg == "Extra data":
            guess += ": more than one value in a record?"
        _refuse(guess)


def _refuse(what: str) -> NoReturn:
    raise Refusal(Reason.NOT_JSON, f"the value {what}") from None


def _no_constant(name: str) -> NoReturn:
    _refuse(f"contains {name}, which is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=JsonObject,
    parse_int=Integer,
    parse_float=Real,
    parse_constant=_no_constant,
)


def too_deep(text: str) -> bool:
    """Whether arrays and objects are nested deeper than MAX_DEPTH; counts without recursion.

    Up to the first error it counts the brackets that a parser would; a text with an error is not JSON anyway.
    """
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub("", text).encode().translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(brackets).cast("b")), default=0) > MAX_DEPTH


def unstorable(value: Any, pointer: str = "") -> Iterator[FieldError]:
    """List values that are valid JSON but can't be stored in Postgres, overridden duplicate keys included.

    NUL and lone surrogates in keys and strings; numbers beyond a double's range, or with more
    decimals than Postgres' numeric holds.
    """
    if isinstance(value, JsonObject):
        for key, item in value.pairs:
            if has_unstorable_character(key):
                place = f"{pointer}/{escape(key)}"
                yield FieldError(place, "has NUL or a lone surrogate in its name")
            if not _is_evidently_storable(item):
                yield from unstorable(item, f"{pointer}/{escape(key)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if not _is_evidently_storable(item):
                yield from unstorable(item, f"{pointer}/{index}")
    elif isinstance(value, str):
        fault = _fault(value)
        if fault is not None:
            yield FieldError(pointer, fault)


def _fault(scalar: str) -> str | None:
    """Say why a string or a number can't be stored."""
    if isinstance(scalar, (Integer, Real)):
        try:
            canonical_number(scalar)
        except NumberError as error:
            return str(error)
    elif has_unstorable_character(scalar):
        return "contains NUL or a lone surrogate, which can't be stored"
    return None


def _is_evidently_storable(value: Any) -> bool:
    """Whether a value is a scalar that can be stored, as far as a glance tells: a record may hold thousands."""
    if type(value) is str:
        return not has_unstorable_character(value)
    if isinstance(value, str):
        return _MODEST_NUMBER.fullmatch(value) is not None
    return not isinstance(value, (JsonObject, list))


def stored_as_sent(value: Any) -> bool:
    """Whether Postgres accepts every number as written, overridden duplicate keys included."""
    if isinstance(value, JsonObject):
        return all(stored_as_sent(item) for _, item in value.pairs)
    if isinstance(value, list):
        return all(stored_as_sent(item) for item in value)
    return not isinstance(value, Real) or is_stored_as_sent(value)


def has_unstorable_character(text: str) -> bool:
    """Whether a string contains NUL or a lone surrogate."""
    return _UNSTORABLE_CHARACTER.search(text) is not None


def escape(key: str) -> str:
    """Format a key as one token of a JSON pointer: storable, and truncated to a readable length."""
    token = _UNSTORABLE_CHARACTER.sub("\ufffd", key).replace("~", "~0").replace("/", "~1")
    return token if len(token) <= _POINTER_LENGTH else token[:_POINTER_LENGTH] + "…"
