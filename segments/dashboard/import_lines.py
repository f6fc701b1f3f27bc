"""What became of the lines of an import: as it is kept, and as its CSV has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segments.dashboard.import_plan import storable
from service.registry.imports import SentLine

if TYPE_CHECKING:
    from service.http.publishing.body import Item

COLUMNS = ("line", "outcome", "reason", "detail", "user_id", "user_status", "position")


def noted(
    items: list[Item], answers: list[dict[str, Any]]
) -> tuple[list[SentLine], dict[str, Any] | None]:
    """Return what became of items up to the first that must be sent again, and the answer of that one."""
    sent: list[SentLine] = []
    for item, answer in zip(items, answers, strict=True):
        if "published" in answer:
            return sent, answer | {"line": item.line}
        if answer["status"] == 201:  # noqa: PLR2004 - as over HTTP
            place = (answer["topic"], answer["partition"], answer["offset"])
            sent.append(SentLine(item.line or 0, None, *place))
        else:
            sent.append(SentLine(item.line or 0, storable(answer["detail"])))
    return sent, None


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a line as the CSV has it."""
    is_sent = row["fault"] is None
    position = f"{row['topic']}:{row['partition']}:{row['kafka_offset']}" if is_sent else None
    outcome = (row["outcome"] or "queued") if is_sent else "refused"
    return row | {"position": position, "outcome": outcome, "detail": row["fault"] or row["detail"]}
