"""Rows of segments.event in Postgres's binary COPY format, built by hand: five times quicker than by codecs."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from schemas.headers import UNSIGNED_SOURCE

if TYPE_CHECKING:
    from service.log.judge import Candidate

COLUMNS = (
    "lane_id", "segment_key", "kafka_offset", "person_id", "status_change_timestamp", "received_at",
    "recorded_at", "user_status", "content", "reference_id", "discriminator", "expires_at",
    "expired_lane_id", "expired_offset", "source", "actor", "request_id", "user_sent", "description", "metadata",
)  # fmt: skip
HEADER = b"PGCOPY\n\xff\r\n\0" + b"\0" * 8
TRAILER = b"\xff\xff"
PG_EPOCH = 946_684_800  # 2000-01-01 in Unix seconds
MICROSECONDS = 1_000_000

_NULL = b"\xff\xff\xff\xff"
_FIXED = Struct(">hiiiiiqiqiqiqiqih")
_LENGTH = Struct(">i").pack
_BIGINT = Struct(">iq").pack
_INTEGER = Struct(">ii").pack


def copy_rows(candidates: list[Candidate], lane_id: int, recorded_us: int) -> bytes:
    """Encode events as one binary COPY stream.

    recorded_us: microseconds since 2000-01-01 UTC.
    """
    parts = [HEADER]
    fields = len(COLUMNS)
    for candidate in candidates:
        person_id, segment_key, time, reference_id, discriminator = candidate.place
        command = candidate.command
        reference = reference_id.encode()
        place = discriminator.encode()
        parts.append(
            _FIXED.pack(
                fields, 4, lane_id, 4, segment_key, 8, candidate.record.offset, 8, person_id,
                8, (time - PG_EPOCH) * MICROSECONDS,
                8, candidate.received_ms * 1000 - PG_EPOCH * MICROSECONDS,
                8, recorded_us, 2, command.user_status,
            )
        )  # fmt: skip
        parts.append(b"\0\0\0\x10" + candidate.content + _LENGTH(len(reference)) + reference)
        parts.append(_LENGTH(len(place)) + place)
        expires_at = command.expires_at
        parts.append(
            _NULL if expires_at is None else _BIGINT(8, (expires_at - PG_EPOCH) * MICROSECONDS)
        )
        parts.append(_expired(candidate))
        headers = candidate.headers
        parts.append(_NULL if headers.source == UNSIGNED_SOURCE else _text(headers.source))
        parts.append(_text(headers.actor))
        parts.append(_text(headers.request_id))
        parts.append(_NULL if command.user_sent == command.user else _text(command.user_sent))
        parts.append(_text(command.description))
        metadata = command.metadata
        if metadata is None:
            parts.append(_NULL)
        else:
            raw = metadata.encode()
            parts.append(_LENGTH(len(raw) + 1) + b"\x01" + raw)
    parts.append(TRAILER)
    return b"".join(parts)


def _text(value: str | None) -> bytes:
    if value is None:
        return _NULL
    raw = value.encode()
    return _LENGTH(len(raw)) + raw


def _expired(candidate: Candidate) -> bytes:
    if candidate.expired is None:
        return _NULL + _NULL
    lane_id, offset = candidate.expired
    return _INTEGER(4, lane_id) + _BIGINT(8, offset)
