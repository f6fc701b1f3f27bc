"""Validates one record by itself: bytes → ValidCommand or RejectedRecord. Pure, and it never raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from schemas.command import (
    MAX_RECORD_BYTES,
    Command,
    UserStatus,
    check_size,
    read_command,
)
from schemas.command.refusal import Reason, Refusal
from schemas.headers import NO_HEADERS, Headers, read_headers
from service.registry.checks import check_received
from service.registry.topic_rules import speaks_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.headers import Reader
    from service.registry.topic_rules import Allowed

# Headers stored with a rejected record, because a retry must repeat them.
KEPT_HEADERS = frozenset({"idempotency-key", "segments-origin"})


_EXPIRE: Final = UserStatus.EXPIRE  # looked up once: an enum's members are not plain attributes


class KafkaRecord(Protocol):
    """The part of aiokafka's ConsumerRecord that is used."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    span: int  # the number of offsets up to `offset`; more than 1 for a batch that was not decoded
    refusal: Refusal | None  # the reason for not decoding it


class ValidCommand(msgspec.Struct, gc=False, eq=False):
    """A command that is valid by itself; `identify` and the append set the other fields.

    A Struct without gc: there are thousands at a time, and none is part of a reference cycle.
    time: Unix seconds. received_ms: Unix milliseconds. place: its log key (person_id, segment_key, time, reference_id,
    discriminator). suspect: likely to be in the log already. salt, identifier (`network_id:user`): of the person. row,
    covered: its encoding, and the part that its digest covers; empty until encoded (`log.copy_format`).
    """

    record: KafkaRecord
    command: Command
    headers: Headers
    received_ms: int
    time: int
    place: tuple[int, int, int, str, str] = (0, 0, 0, "", "")
    content: bytes = b""
    segment_key: int | None = None
    archived: bool = False
    suspect: bool = False
    expired: tuple[int, int] | None = None
    idempotency: tuple[str, bytes] | None = None
    request: bytes = b""
    salt: bytes = b""
    identifier: bytes = b""
    row: bytes = b""
    covered: bytes = b""


@dataclass(slots=True)
class RejectedRecord:
    """A rejected record, its reason, and the fields that could be read. Times in Unix seconds and milliseconds."""

    record: KafkaRecord
    received_ms: int
    reason: Reason
    detail: str
    network_id: str | None = None
    user: str | None = None
    segment_id: int | None = None
    user_status: str | None = None
    status_change_timestamp: int | None = None
    reference_id: str | None = None
    person_id: int | None = None
    key_person_id: int | None = None  # the person named by its key, if another (`record_keys`)
    # The network and user that it names although its topic may not; then network_id and user are None.
    named: tuple[str, str | None] | None = None
    headers: Headers = NO_HEADERS


def validate(
    record: KafkaRecord,
    received_ms: int,
    reader: Reader | None,
    allowed: Allowed | None = None,
    *,
    again: bool = False,
) -> ValidCommand | RejectedRecord:
    """Validate one record by itself, without the database, in the contract's order of checks.

    received_ms: the record's receipt, Unix milliseconds. allowed: the rules of its topic; None: everything.
    reader, again: as for `read_headers`.
    """
    headers = NO_HEADERS
    try:
        if record.headers and record.refusal is None:
            headers = read_headers(
                record.headers,
                record.key,
                record.value or b"",
                reader,
                received_ms // 1000,
                again=again,
            )
        return _validate(record, received_ms, headers, allowed)
    except Refusal as refusal:
        return RejectedRecord(
            record,
            received_ms,
            refusal.reason,
            refusal.detail,
            refusal.network_id,
            refusal.user,
            refusal.segment_id,
            refusal.user_status,
            refusal.status_change_timestamp,
            refusal.reference_id,
            named=refusal.named,
            headers=headers,
        )
    except Exception as error:  # noqa: BLE001 - no record may stop a lane, not even through a bug
        return RejectedRecord(
            record, received_ms, Reason.UNSTORABLE, f"could not be validated: {type(error).__name__}",
            headers=headers,
        )  # fmt: skip


def _validate(
    record: KafkaRecord,
    received_ms: int,
    headers: Headers,
    allowed: Allowed | None,
) -> ValidCommand:
    key, value = record.key, record.value
    if record.refusal is not None:
        raise record.refusal
    if value is None or len(value) + len(key or b"") > MAX_RECORD_BYTES:
        check_size(key, value)
        raise Refusal(Reason.TOMBSTONE, "the record has no value; tombstones delete nothing")
    try:
        return _validate_value(record, value, received_ms, headers, allowed)
    except Refusal as refusal:
        _disown(refusal, headers, allowed)
        raise


def _disown(refusal: Refusal, headers: Headers, allowed: Allowed | None) -> None:
    """Clear network and user of a rejected record if its topic may not carry commands of that network."""
    network_id = refusal.network_id
    if network_id is not None and not speaks_for(allowed, network_id, headers):
        refusal.named = (network_id, refusal.user)
        refusal.network_id = refusal.user = None


def _validate_value(
    record: KafkaRecord,
    value: bytes,
    received_ms: int,
    headers: Headers,
    allowed: Allowed | None,
) -> ValidCommand:
    command = read_command(value, expiry_signed=headers.source == "expiry")
    time = check_received(command, received_ms, allowed, headers)
    return ValidCommand(record, command, headers, received_ms, time)


def rejected(candidate: ValidCommand, reason: Reason, detail: str) -> RejectedRecord:
    """Reject a command that is valid by itself, once its person is known."""
    command = candidate.command
    return RejectedRecord(
        candidate.record,
        candidate.received_ms,
        reason,
        detail,
        command.network_id,
        command.user,
        command.segment_id,
        command.user_status.text,
        command.status_change_timestamp,
        command.reference_id,
        candidate.place[0],
        headers=candidate.headers,
    )


def is_expiry(candidate: ValidCommand) -> bool:
    """Whether this is the service's own `expire`."""
    return candidate.command.user_status is _EXPIRE
