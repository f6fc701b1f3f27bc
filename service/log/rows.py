"""Rows of the smaller tables of the log, for asyncpg's COPY: (columns, records)."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from schemas.headers import ORIGIN
from service.log.origins import read_replay
from service.log.validate import KEPT_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.log.batch import Batch
    from service.log.deduplicate import Resolution
    from service.log.validate import RejectedRecord

Rows = tuple[tuple[str, ...], Collection[tuple[Any, ...]]]
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REJECTED = (
    "lane_id", "kafka_offset", "received_at", "recorded_at", "reason", "detail", "network_id", "person_id",
    "segment_id", "user_status", "status_change_timestamp", "reference_id", "record_key", "payload",
    "payload_text", "headers", "key_person_id", "next_offset",
)  # fmt: skip


def moment(unix_ms: int) -> datetime:
    """Turn Unix milliseconds into a datetime without passing through a float."""
    return UNIX_EPOCH + timedelta(milliseconds=unix_ms)


def duplicate_rows(batch: Batch, resolution: Resolution, recorded_at: datetime) -> Rows:
    """Rows of segments.duplicate."""
    columns = (
        "lane_id",
        "kafka_offset",
        "received_at",
        "recorded_at",
        "of_lane_id",
        "of_offset",
        "segment_key",
    )
    return columns, [
        (
            batch.lane_id,
            c.record.offset,
            moment(c.received_ms),
            recorded_at,
            of.lane_id,
            of.offset,
            c.segment_key,
        )
        for c, of in resolution.duplicates
    ]


def hole_rows(batch: Batch, cause: str, recorded_at: datetime) -> Rows:
    """Rows of segments.hole."""
    columns = ("lane_id", "first_offset", "next_offset", "cause", "recorded_at")
    return columns, [(batch.lane_id, first, end, cause, recorded_at) for first, end in batch.holes]


def key_rows(resolution: Resolution, recorded_at: datetime) -> Rows:
    """Rows of segments.idempotency, in key order."""
    columns = ("network_id", "key_digest", "seen_at", "lane_id", "kafka_offset", "request")
    return columns, [
        (network_id, digest, recorded_at, named.lane_id, named.offset, named.digest)
        for (network_id, digest), named in sorted(resolution.keys.items())
    ]


def rejected_rows(batch: Batch, refused: list[RejectedRecord], recorded_at: datetime) -> Rows:
    """Rows of segments.rejected."""
    return REJECTED, _RejectedRows(batch.lane_id, refused, recorded_at)


class _RejectedRows(Collection[tuple[Any, ...]]):
    """Builds each row lazily: all rows at once would take several times the memory of the records."""

    def __init__(self, lane_id: int, refused: list[RejectedRecord], recorded_at: datetime) -> None:
        self._lane_id, self._refused, self._recorded_at = lane_id, refused, recorded_at

    def __len__(self) -> int:
        return len(self._refused)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return (rejected_row(self._lane_id, one, self._recorded_at) for one in self._refused)

    def __contains__(self, row: object) -> bool:
        return any(one == row for one in self)


def rejected_row(lane_id: int, refused: RejectedRecord, recorded_at: datetime) -> tuple[Any, ...]:
    """One row of segments.rejected, as REJECTED names its columns."""
    record = refused.record
    time = refused.status_change_timestamp
    return (
        lane_id,
        record.offset - record.span + 1,
        moment(refused.received_ms),
        recorded_at,
        refused.reason.value,
        _storable(refused.detail),
        refused.network_id,
        refused.person_id,
        refused.segment_id,
        refused.user_status,
        None if time is None else moment(time * 1000),
        refused.reference_id,
        record.key,
        record.value,
        None if record.value is None else _storable(record.value.decode("utf-8", "replace")),
        _kept_headers(refused),
        refused.key_person_id,
        record.offset + 1,
    )


def _storable(text: str) -> str:
    """Replace what Postgres text can't hold: NUL and lone surrogates become U+FFFD."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _kept_headers(refused: RejectedRecord) -> str | None:
    """Return what a retry must repeat, as JSON. A replay's origin is kept only if it was signed; it forbids a retry."""
    kept = {
        name: _storable(value.decode("utf-8", "replace"))
        for name, value in refused.record.headers
        if name in KEPT_HEADERS and value is not None
    }
    if "@" in kept.get(ORIGIN, "") and read_replay(refused.headers) is None:
        del kept[ORIGIN]
    return json.dumps(kept) if kept else None
