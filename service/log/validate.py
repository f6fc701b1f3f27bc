"""Judging one record alone: bytes → ValidCommand or RejectedRecord. Pure, and it never raises."""

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

# Headers that a retry must keep; of any other nothing is stored.
KEPT_HEADERS = frozenset({"idempotency-key", "segments-origin"})


_EXPIRE: Final = UserStatus.EXPIRE  # looked up once: an enum's members are not plain attributes


class KafkaRecord(Protocol):
    """What is used of aiokafka's ConsumerRecord."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    span: (
        int  # how many offsets it stands for, `offset` being the last: of a batch that was not read
    )
    refusal: Refusal | None  # why it was not read


class ValidCommand(msgspec.Struct, gc=False, eq=False):
    """A command found valid by itself; what the append finds out about it is filled in later.

    A Struct without gc: there are thousands at a time, and none is ever part of a cycle.
    time: Unix seconds. received_ms: Unix milliseconds. place: (person_id, segment_key, time, reference_id,
    discriminator), which names the command in the log. suspect: it may well be
    in the log already. salt, who: of the person, who being `network_id:user`. row, covered: its encoding and what its
    digest covers, if it is encoded yet (`log.copy_format`).
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
    who: bytes = b""
    row: bytes = b""
    covered: bytes = b""


@dataclass(slots=True)
class RejectedRecord:
    """A record that was refused, why, and what could be read of it. Times in Unix seconds and milliseconds."""

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
    key_person_id: int | None = None  # whom its key names, where that is another (keyed)
    # Whom it names without a right to: its topic may not speak for that network. Then it has no network_id and no user.
    named: tuple[str, str | None] | None = None
    headers: Headers = NO_HEADERS


def judge(
    record: KafkaRecord,
    received_ms: int,
    reader: Reader | None,
    allowed: Allowed | None = None,
    *,
    again: bool = False,
) -> ValidCommand | RejectedRecord:
    """Judge one record by itself, as far as no database is needed, in the contract's order of checks.

    received_ms: the record's receipt, Unix milliseconds. allowed: what its topic may say; None: everything.
    reader, again: as `read_headers` has them.
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
        return _judge(record, received_ms, headers, allowed)
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
    except Exception as error:  # noqa: BLE001 - no record may stop a lane, not even through a mistake of ours
        return RejectedRecord(
            record, received_ms, Reason.UNSTORABLE, f"could not be judged: {type(error).__name__}",
            headers=headers,
        )  # fmt: skip


def _judge(
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
        raise Refusal(Reason.TOMBSTONE, "the record has no value: nothing is deleted by tombstones")
    try:
        return _judge_said(record, value, received_ms, headers, allowed)
    except Refusal as refusal:
        _disown(refusal, headers, allowed)
        raise


def _disown(refusal: Refusal, headers: Headers, allowed: Allowed | None) -> None:
    """Let a refused record be nobody's if its topic may not speak for the network that it names."""
    network_id = refusal.network_id
    if network_id is not None and not speaks_for(allowed, network_id, headers):
        refusal.named = (network_id, refusal.user)
        refusal.network_id = refusal.user = None


def _judge_said(
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
    """Reject a command that was valid by itself, once it is known whose it is."""
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
