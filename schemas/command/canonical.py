"""The canonical form of JSON values: equal values have equal bytes, different values different.

Contents are compared as JSON values, so the order of keys and
white space don't count, strings are compared unescaped, and numbers by their exact decimal
value. Stored digests include these bytes: a change here changes the contract.
"""

import math
import re
from typing import Any, Final

import msgspec

_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
_EXPONENT_LENGTH: Final = 10
_VAST: Final = 10**_EXPONENT_LENGTH
"""Replaces any longer exponent: no number of digits in a record could offset it."""
_EXPONENT_LIMIT: Final = (2**31 - 1) // 2
"""Postgres' numeric refuses exponents from here on (numeric.c, set_var_from_str)."""
_SCALE_LIMIT: Final = 16_383
"""Decimals that Postgres' numeric can store (NUMERIC_DSCALE_MAX)."""

_encoder = msgspec.json.Encoder(order="sorted")


class NumberError(ValueError):
    """A number can't be stored; the message says why."""


class NumberOutOfRangeError(NumberError):
    """The number overflows a double."""


class NumberTooFineError(NumberError):
    """The number has more decimals than Postgres' numeric can store."""


def canonical_number(text: str) -> str:
    """Format a JSON number so that equal values have equal texts, without losing a digit.

    An integral value is written with all its digits (`1.0`, `1e0` and `10e-1` are `1`, `-0` is `0`), any other
    as its digits without trailing zeros and a negative exponent (`0.10` is `1e-1`). A number that a double
    would round to zero is in range and kept exactly (`1e-400`).

    Raises NumberOutOfRangeError or NumberTooFineError.
    """
    sign, whole, fraction, exponent = _parts(text)
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return "0"
    if math.isinf(float(text)):
        raise NumberOutOfRangeError("is a number beyond the range of a double")
    short = digits.rstrip("0")
    power = exponent - len(fraction) + len(digits) - len(short)
    if -power > _SCALE_LIMIT:
        raise NumberTooFineError(f"has more than {_SCALE_LIMIT:,} decimals, which can't be stored")
    return f"{sign}{short}{'0' * power}" if power >= 0 else f"{sign}{short}e{power}"


def is_stored_as_sent(text: str) -> bool:
    """Whether Postgres' numeric reads a JSON number as it stands; `0e-99999` it does not, for all that it is 0."""
    if len(text) <= _SCALE_LIMIT and "e" not in text and "E" not in text:
        return True
    _, _, fraction, exponent = _parts(text)
    return abs(exponent) < _EXPONENT_LIMIT and len(fraction) - exponent <= _SCALE_LIMIT


def _parts(text: str) -> tuple[str, str, str, int]:
    """Give sign, digits before and behind the point, and exponent of a JSON number. Raises ValueError."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError("not a JSON number")
    sign, whole, fraction, exponent = match.group(1, 2, 3, 4)
    return sign, whole, fraction or "", 0 if exponent is None else _exponent(exponent)


def _exponent(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.removeprefix("+"))
    digits = digits.lstrip("0") or "0"
    return sign * (int(digits) if len(digits) <= _EXPONENT_LENGTH else _VAST)


def canonical_real(text: str) -> msgspec.Raw:
    """Make a number of `canonical_number` ready to be encoded as it stands."""
    return msgspec.Raw(canonical_number(text))


def canonical_json(value: Any) -> bytes:
    """Encode without white space and with the keys of every object sorted, in UTF-8.

    `value` holds dicts, lists, strings, ints, booleans, None, and `msgspec.Raw` of
    `canonical_number` for every number that is not an int.
    """
    return _encoder.encode(value)


def compact_json(value: Any) -> bytes:
    """Encode like `canonical_json`, with the keys in the order in which they stand."""
    return msgspec.json.encode(value)


def content(
    user_status: str, expires_at: int | None, metadata: bytes | None, description: str | None
) -> bytes:
    r"""Frame the content of a command: two contents are equal exactly if their bytes are.

    Three parts, parted by newlines: `user_status` and, after a space, `expires_at` if there is
    one; metadata as `canonical_json`, empty if absent; the description, empty if absent. Neither
    of the first two can hold a newline (JSON writes one as `\n`), so nothing is ambiguous.
    """
    head = user_status if expires_at is None else f"{user_status} {expires_at}"
    return b"%b\n%b\n%b" % (
        head.encode(),
        metadata or b"",
        b"" if description is None else description.encode(),
    )
