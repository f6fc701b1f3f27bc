"""An export made of the oracle's log, without Postgres; and the rows of a folder of Parquet."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from projections.export.journal import FORMAT, Folder
from tests.oracle import UNSPECIFIED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.oracle import Model, Row

_TIME = pa.timestamp("us", "UTC")
_PLACE = [("kafka_topic", pa.string()), ("kafka_partition", pa.int32()), ("kafka_epoch", pa.int32()),
    ("kafka_offset", pa.int64())]  # fmt: skip
_KEY = [("network_id", pa.string()), ("segment_id", pa.int64()), ("user_id", pa.string())]
_COMMAND = [
    ("user_status", pa.string()),
    ("status_change_timestamp", _TIME),
    ("reference_id", pa.string()),
]
_SCHEMAS = {
    "event": [
        ("event_id", pa.string()), *_KEY, *_COMMAND, *_PLACE,
        *((name, _TIME) for name in ("expires_at", "received_at", "recorded_at")),
        *((name, pa.string()) for name in ("source", "actor", "metadata", "description")),
    ],
    "duplicate": [*_PLACE, ("received_at", _TIME), ("duplicate_of_event_id", pa.string())],
    "rejected": [*_PLACE, *_KEY, *_COMMAND, ("received_at", _TIME), ("reason", pa.string())],
    "registry": [*_KEY[:2], ("segment_name", pa.string()), ("valid_to", _TIME)],
}  # fmt: skip


def export_model(model: Model, root: Path) -> Path:
    """Write what the fold reads of an export of a model's log."""
    rejected = [row for row in model.result() if row["outcome"] == "rejected"]
    registry = [
        {"network_id": network, "segment_id": segment, "segment_name": "s", "valid_to": None}
        for network, segment in model.segments
    ]
    rows = {
        "event": model.event(),
        "duplicate": model.duplicate(),
        "rejected": rejected,
        "registry": registry,
    }
    tables = {}
    with Folder(root, {}) as folder:
        for name, schema in _SCHEMAS.items():
            table = pa.Table.from_pylist([plain(row) for row in rows[name]], pa.schema(schema))
            file = folder.write(f"{name}/part-0.parquet", table, personal=False)
            tables[name] = {"files": [{"path": file.path, "sha256": file.sha256}]}
        folder.finish({"format": FORMAT, "snapshot": "s1", "since": None, "tables": tables})
    return root


def plain(row: Row) -> dict[str, Any]:
    """Give a row of the oracle as an export has it."""
    plain = {name: None if value is UNSPECIFIED else value for name, value in row.items()}
    if plain.get("metadata") is not None:
        plain["metadata"] = json.dumps(plain["metadata"], default=_number)
    return plain


def _number(value: Any) -> Any:
    assert isinstance(value, Decimal)
    return float(value)


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Read the rows of a folder of Parquet, without the columns that only its paths have."""
    return [
        {
            name: value.astimezone(UTC) if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        for path in sorted(folder.rglob("*.parquet"))
        for row in pq.ParquetFile(path).read().to_pylist()
    ]


def with_microseconds(rows: Iterable[Row]) -> list[Row]:
    """Give duration as an export does."""
    return [
        row
        if row["duration"] is None
        else row | {"duration": round(row["duration"].total_seconds() * 1e6)}
        for row in rows
    ]
