"""DuckDB, embedded: for histories that one machine can fold. What does not fit into memory goes to disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from projections.engines.fold import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SET_UP = """
SET autoinstall_known_extensions = false;
SET autoload_known_extensions = false;
SET preserve_insertion_order = false;
CREATE MACRO unix_micros(moment) AS epoch_us(moment);
"""


class DuckDB:
    """The engine. work: a folder for what does not fit into memory."""

    def __init__(self, work: Path) -> None:
        self._connection = duckdb.connect(config={"temp_directory": str(work / "spilled")})
        self._connection.execute(_SET_UP)

    def read(self, name: str, files: Sequence[str]) -> None:
        """Let statements read files as a table."""
        self._connection.read_parquet(list(files), hive_partitioning=False).create_view(name)

    def write(self, statement: str, folder: str) -> int:
        """Write the rows of a statement as Parquet files into a folder; return their number."""
        Path(folder).mkdir()
        to = folder.replace("'", "''")
        try:
            done = self._connection.execute(
                f"COPY ({statement}) TO '{to}/part-0.parquet' (FORMAT parquet, COMPRESSION zstd)"
            ).fetchone()
        except duckdb.Error as error:
            raise EngineError(f"({error})") from error
        return int(done[0]) if done else 0

    def close(self) -> None:
        """Release what the engine holds."""
        self._connection.close()
