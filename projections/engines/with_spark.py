"""Spark: for histories that outgrow a machine. Each worker must be able to read the export and write the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from projections.engines.fold import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


class Spark:
    """The engine. master: the cluster's URL; None: what Spark's own configuration says, else all local cores."""

    def __init__(self, _work: Path, master: str | None = None) -> None:
        builder = SparkSession.builder.appName("segments fold")
        for name, value in _SETTINGS.items():
            builder = builder.config(name, value)
        if master is not None:
            builder = builder.master(master)
        self._session = builder.getOrCreate()

    def read(self, name: str, files: Sequence[str]) -> None:
        """Let statements read files as a table."""
        self._session.read.parquet(*files).createOrReplaceTempView(name)

    def write(self, statement: str, folder: str) -> int:
        """Write the rows of a statement as Parquet files into a folder; return their number."""
        try:
            self._session.sql(statement).write.parquet(folder)
            return int(self._session.read.parquet(folder).count())
        except PySparkException as error:
            raise EngineError(f"({error})") from error

    def plan(self, statement: str) -> str:
        """Return the physical plan of a statement."""
        executed = self._session.sql(statement)._jdf.queryExecution()  # noqa: SLF001 - explain() prints it only
        return str(executed.executedPlan().toString())

    def close(self) -> None:
        """Release what the engine holds."""
        self._session.stop()
