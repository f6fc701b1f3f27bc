"""What differs between the rows of a stretch and the leaves that they were sealed as."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Row(NamedTuple):
    """A row as it is now: its kind, position, the position after it, and its leaf hash."""

    kind: str
    key: str
    next_key: str
    hash: bytes


def describe_difference(
    first_key: str, rows: Sequence[Row], sealed: Sequence[bytes]
) -> tuple[str, str, str] | None:
    """Name the first row that differs: kind, position, and what is wrong with it. None: none does.

    first_key: where the first row was.
    """
    count = next(
        (n for n, (row, leaf) in enumerate(zip(rows, sealed, strict=False)) if row.hash != leaf),
        min(len(rows), len(sealed)),
    )
    if count == len(rows) == len(sealed):
        return None
    after = rows[count - 1].next_key if count else first_key
    row = rows[count] if count < len(rows) else None
    if row is None or row.hash in sealed[count + 1 :]:
        return "row", after, "missing"
    if len(rows) > len(sealed):
        return row.kind, row.key, "inserted"
    return row.kind, row.key, "altered, or another one in its place"
