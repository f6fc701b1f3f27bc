"""Reads single fields of a command from JSON values, and collects their errors."""

from typing import Any, Final, TypeVar

import msgspec

from schemas.command.canonical import canonical_real, is_stored_as_sent
from schemas.command.json_text import Integer, JsonObject, Real, has_unstorable_character
from schemas.command.refusal import FieldError, Reason, Refusal, describe

_INTEGER_LENGTH: Final = 320
"""A longer integer overflows a double; `unstorable` reports it."""
_T = TypeVar("_T")


class FieldReader:
    """Reads texts and integers; a wrong or absent value reads as None, and errors are collected."""

    def __init__(self) -> None:
        """Start without errors."""
        self._errors: list[FieldError] = []

    def _refusal(self, **read: Any) -> Refusal:
        return Refusal(Reason.INVALID_FIELD, describe(self._errors), self._errors, **read)

    def _wrong(self, pointer: str, message: str) -> None:
        self._errors.append(FieldError(pointer, message))

    def _text(
        self,
        parent: JsonObject,
        name: str,
        pointer: str,
        *,
        most: int | None = None,
        required: bool = False,
    ) -> str | None:
        text = parent.get(name)
        if text is None or text == "":
            if required:
                self._wrong(pointer, "must not be empty" if name in parent else "is required")
            return None
        if type(text) is not str:
            self._wrong(pointer, f"must be a string; {kind(text)} was sent")
            return None
        if most is not None and len(text) > most:
            self._wrong(pointer, f"is {len(text)} characters long; the limit is {most}")
            return None
        return None if has_unstorable_character(text) else text

    def _integer(
        self, parent: JsonObject, name: str, pointer: str, *, required: bool = False
    ) -> int | None:
        number = parent.get(name)
        if number is None or number == "":
            if required:
                self._wrong(pointer, "must not be empty" if name in parent else "is required")
            return None
        if type(number) is Integer:
            return int(number) if len(number) <= _INTEGER_LENGTH else None
        message = f"must be an integer; {kind(number)} was sent"
        if type(number) is Real:
            message = "must be an integer, without fraction and exponent"
        self._wrong(pointer, message)
        return None

    def _single(self, name: str, values: "list[_T]") -> "_T | None":
        if len(values) > 1 and values[0] != values[1]:
            self._wrong(f"/metadata/{name}", f"differs from /{name}; send it once")
            return None
        return values[0] if values else None


def kind(value: Any) -> str:
    """Name the kind of a JSON value."""
    if value is None:
        return "null"
    for kind, name in _KINDS:
        if isinstance(value, kind):
            return name
    return "a string"


_KINDS: Final = (
    (bool, "a boolean"),
    (Integer, "a number"),
    (Real, "a number"),
    (list, "an array"),
    (JsonObject, "an object"),
)


def guess(value: Any) -> str:
    """Guess why there is another value instead of an object."""
    if type(value) is str and value.lstrip().startswith("{"):
        return ": JSON encoded twice?"
    return ""


def encodable(value: Any, *, canonical: bool) -> Any:
    """Replace numbers kept as text by values that msgspec encodes as numbers."""
    if isinstance(value, dict):
        return {key: encodable(item, canonical=canonical) for key, item in value.items()}
    if isinstance(value, list):
        return [encodable(item, canonical=canonical) for item in value]
    if isinstance(value, Integer):
        return msgspec.Raw("0" if value == "-0" else str(value))
    if isinstance(value, Real):
        as_sent = not canonical and is_stored_as_sent(value)
        return msgspec.Raw(str(value)) if as_sent else canonical_real(value)
    return value
