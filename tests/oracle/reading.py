"""Section 2, a record's bytes to a command. Honest but small: the parser's own tests are elsewhere.

Checked here, in the contract's order: too_large, tombstone, not_json, invalid_field and the two
bounds of the time.
"""

import json
import math
import re
import string
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NoReturn

from tests.oracle.words import Command, Record

REQUIRED = {"network_id", "user", "segment_id", "user_status"}
LIFTED = {"reference_id", "status_change_timestamp", "description"}
FIELDS = REQUIRED | LIFTED | {"metadata", "expires_at"}
INTEGERS = {"segment_id", "status_change_timestamp", "expires_at"}
LONGEST = {"user": 320, "reference_id": 255, "description": 4096}
STATUSES = {"add", "block", "reset", "enter", "leave"}
YEAR_1990, YEAR_2100 = 631_152_000, 4_102_444_800
FIVE_MINUTES_MS = 300_000


class RefusedError(Exception):
    """The record is rejected for this reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def read_command(record: Record, receipt_ms: int, *, from_expiry: bool) -> Command:
    """Read all but the bounds of the time; a blank time is `receipt_ms` cut to the second."""
    document = read_json(record)
    key = [value for name, value in record.headers if name == "idempotency-key"]
    if key and not re.fullmatch(rb"[\x20-\x7e]{1,255}", key[-1] or b""):
        invalid()
    if not isinstance(document, dict) or set(document) - FIELDS:
        invalid()
    for scalar in scalars(document):
        check_scalar(scalar)
    fields, metadata = lift({name: value for name, value in document.items() if given(value)})
    if REQUIRED - set(fields):
        invalid()
    for name, value in fields.items():
        check_type(name, value)
    command = Command(
        network=fields["network_id"],
        segment=fields["segment_id"],
        user=normalise_user(fields["user"]),
        user_sent=fields["user"],
        status=fields["user_status"],
        reference=fields.get("reference_id"),
        time=fields.get("status_change_timestamp"),
        description=fields.get("description"),
        expires_at=fields.get("expires_at"),
        metadata=metadata,
    )
    check_values(command, receipt_ms // 1000, from_expiry=from_expiry)
    return command


def check_time(command: Command, received_ms: int) -> None:
    """status_change_timestamp lies between 1990-01-01 and received_at + 5 minutes."""
    if command.time is None:
        return
    if command.time < YEAR_1990:
        raise RefusedError("timestamp_too_old")
    if command.time * 1000 > received_ms + FIVE_MINUTES_MS:
        raise RefusedError("timestamp_in_future")


def normalise_user(user: str) -> str:
    """One with @ is an email: ASCII white space trimmed, A-Z become a-z, nothing else."""
    if "@" not in user:
        return user
    lower = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
    return user.strip(" \t\n\r\v\f").translate(lower)


def read_json(record: Record) -> Any:
    if len(record.key or b"") + len(record.value or b"") > 64 * 1024:
        raise RefusedError("too_large")
    if record.value is None:
        raise RefusedError("tombstone")
    try:
        document = json.loads(
            record.value.decode("utf-8"),
            parse_float=Decimal,
            # Python reads no integer of more than 4,300 digits; far fewer are out of range.
            parse_int=lambda digits: int(digits) if len(digits) < 400 else Decimal(digits),
            parse_constant=not_json,
        )
        deep = depth(document) > 64
    except (ValueError, RecursionError):
        not_json()
    if deep:
        not_json()
    return document


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def not_json(_constant: str = "") -> NoReturn:
    raise RefusedError("not_json")


def invalid() -> NoReturn:
    raise RefusedError("invalid_field")


def given(value: Any) -> bool:
    """For optional fields, null and "" are absent (and a required one so sent is missing)."""
    return value is not None and value != ""


def lift(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Move what metadata may hold to the top level; give metadata apart, None when empty."""
    fields = dict(fields)
    metadata = fields.pop("metadata", {})
    if not isinstance(metadata, dict):
        invalid()
    for name in LIFTED & set(metadata):
        inner = metadata[name]
        if not given(inner):
            continue
        check_type(name, inner)
        if fields.setdefault(name, inner) != inner:
            invalid()
    rest = {name: value for name, value in metadata.items() if name not in LIFTED}
    return fields, rest or None


def scalars(value: Any) -> Iterator[Any]:
    """Each string (names too) and number of a JSON value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from scalars(inner)
    else:
        yield value


def check_scalar(value: Any) -> None:
    if isinstance(value, str) and re.search("[\0\ud800-\udfff]", value):
        invalid()
    if isinstance(value, (int, Decimal)) and math.isinf(float(Decimal(value))):
        invalid()


def check_type(name: str, value: Any) -> None:
    """Refuse as integer a fraction, an exponent and a boolean; all other fields are text."""
    if type(value) is not (int if name in INTEGERS else str):
        invalid()


def check_values(command: Command, receipt: int, *, from_expiry: bool) -> None:
    lengths = {
        "user": command.user,
        "reference_id": command.reference,
        "description": command.description,
    }
    reference = command.reference or ""
    expire = command.status == "expire"
    time = receipt if command.time is None else command.time
    right = [
        re.fullmatch(r"[A-Za-z0-9._-]{1,64}", command.network) is not None,
        command.user.strip() != "",  # white space as Python has it
        1 <= command.segment <= 2**31 - 1,
        all(len(text or "") <= LONGEST[name] for name, text in lengths.items()),
        command.status in STATUSES or (expire and from_expiry and command.time is not None),
        not reference.startswith("auto:"),
        reference.startswith("expire:") == expire,
        command.expires_at is None
        or (command.status in {"add", "block"} and time < command.expires_at < YEAR_2100),
    ]
    if not all(right):
        invalid()
