"""The same text on Spark gives the same rows, and no step of its plan runs on one node."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from projections.engines.fold import SQL, STEP, TABLES, VIEWS, fold_export
from projections.export.manifest import read_source
from tests.engines.exported import export_model
from tests.engines.test_fold import NOW, differences, logged
from tests.histories import history
from tests.support.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

needs_spark = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None,
    reason="PySpark is not installed: pip install -e '.[spark]'",
)


@needs_spark
@pytest.mark.filterwarnings("ignore")  # Spark's own
def test_spark_folds_as_the_oracle_does_and_no_step_is_on_one_node(tmp_path: Path) -> None:
    from projections.engines.with_spark import Spark  # noqa: PLC0415 - an extra

    sent = history(3, NOW, commands=2000, lanes=3, users=5, segments=3, due=True)
    model = logged(sent, 2, 3)
    export = export_model(model, tmp_path / "out")
    fold_export([export], tmp_path / "folded", lambda work: Spark(work, "local[2]"), name="spark")
    assert differences(model, tmp_path / "folded") == []
    spark = Spark(tmp_path, "local[2]")
    try:
        for table in TABLES:
            spark.read(table, read_source([export]).files[table])
        plan = spark.plan(SQL[STEP])
        assert "hashpartitioning(network_id" in plan
        assert "SinglePartition" in spark.plan(
            "SELECT *, row_number() OVER (ORDER BY place) AS n FROM (VALUES (1)) AS t (place)"
        )
        spark.write(SQL[STEP], str(tmp_path / STEP))
        spark.read(STEP, [str(tmp_path / STEP)])
        assert "SinglePartition" not in plan
        for view in VIEWS:
            assert "SinglePartition" not in spark.plan(SQL[view]), view
    finally:
        spark.close()


@pytest.mark.skipif(importlib.util.find_spec("pyspark") is not None, reason="PySpark is installed.")
async def test_without_pyspark_the_command_says_what_to_install(tmp_path: Path) -> None:
    done = await run(None, "fold", str(tmp_path), "--to", str(tmp_path / "x"), "--engine", "spark")
    assert (done.code, done.err) == (
        1,
        "Error: pyspark is not installed: pip install 'segments[spark]'.\n",
    )
