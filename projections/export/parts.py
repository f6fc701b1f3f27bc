"""Parts: tables gathered up to a size, and written as a file for each network and month."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from projections.export.journal import File, Folder

# Of rows in memory, which are a file of about a fifth of that.
_PART_BYTES = 12 * 1024 * 1024
# As Hive names the partition of null.
_NULL = "__HIVE_DEFAULT_PARTITION__"


class Parts:
    """Takes the rows of one unit of work, in order, and writes them.

    folder, path: where. name: of the unit's files. by_network, by_month: whether the files are partitioned.
    """

    def __init__(
        self,
        folder: Folder,
        path: str,
        name: str,
        *,
        by_network: bool = False,
        by_month: bool = False,
        personal: bool = False,
        report: Callable[[int], None] = lambda _rows: None,
    ) -> None:
        self._folder, self._path, self._name = folder, path, name
        self._by_network, self._by_month, self._personal = by_network, by_month, personal
        self._report = report
        self._tables: list[pa.Table] = []
        self._bytes = 0
        self._written = 0
        self.files: list[File] = []

    def take(self, rows: pa.Table) -> None:
        """Add rows, and write a part if there are enough."""
        self._tables.append(rows)
        self._bytes += rows.nbytes
        if self._bytes >= _PART_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was added."""
        if not self._tables:
            return
        rows = pa.concat_tables(self._tables)
        self._tables, self._bytes = [], 0
        for partition, of_it in self._partitions(rows):
            path = f"{self._path}/{partition}part-{self._name}-{self._written:03}.parquet"
            self.files.append(self._folder.write(path, of_it, personal=self._personal))
        self._written += 1
        pa.default_memory_pool().release_unused()
        self._report(len(rows))

    def _partitions(self, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """Yield the rows of each partition with its folder."""
        keys = {}
        if self._by_network:
            keys["network"] = pc.fill_null(rows["network_id"], _NULL)
        if self._by_month:
            # strftime would need the time zones of the machine.
            days = rows["recorded_at"].cast(pa.timestamp("us")).cast(pa.date32())
            keys["month"] = pc.utf8_slice_codeunits(days.cast(pa.string()), 0, 7)
        if not keys:
            yield "", rows
            return
        partitions = pa.table(keys)
        for values in partitions.group_by(list(keys)).aggregate([]).to_pylist():
            mask = None
            for name, value in values.items():
                equal = pc.equal(partitions[name], value)
                mask = equal if mask is None else pc.and_(mask, equal)
            folder = "".join(f"{name}={value}/" for name, value in values.items())
            whole = len(values) and pc.all(mask).as_py()
            yield folder, rows if whole else rows.filter(mask)
