"""The dashboards for Grafana: written from their data, and every query is one that its source understands."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml

from deploy.grafana.boards import BOARDS, PROMETHEUS, render
from tests.deploy.exposed import named, series
from tests.deploy.promtool import promtool
from tests.docs.generated import ROOT
from tests.support.database import connected

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings

FOLDER = ROOT / "deploy" / "grafana"
METRICS = [query for board in BOARDS if board.source is PROMETHEUS
           for row in board.rows for panel in row for query in panel.queries.values()]  # fmt: skip
QUESTIONS = [query for board in BOARDS if board.source is not PROMETHEUS
             for row in board.rows for panel in row for query in panel.queries.values()]  # fmt: skip


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_the_files_are_as_the_data_has_them(board: object) -> None:
    rendered = render(board)  # type: ignore[arg-type]
    path = FOLDER / f"{rendered['uid'].removeprefix('segments-')}.json"
    assert json.loads(path.read_text("utf-8")) == rendered, "run `make published`"


def test_the_queries_name_series_that_the_service_exposes() -> None:
    for query in METRICS:
        assert named(query)
        assert named(query) - series() == set(), query


def test_prometheus_understands_each_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"q{nth}", "expr": query.replace("$__rate_interval", "5m")}
        for nth, query in enumerate(METRICS)
    ]
    (tmp_path / "queries.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "q", "rules": rules}]}), "utf-8"
    )
    promtool("check", "rules", "queries.yaml", folder=tmp_path)


@pytest.mark.stack
async def test_postgres_answers_each_query_in_both_schemas(ready: Settings) -> None:
    roles = {"reporting": "segments_report", "reporting_network": "segments_report_network"}
    for schema, role in roles.items():
        async with connected(ready, role) as connection:
            for query in QUESTIONS:
                sql = query.replace("${schema:raw}", schema).replace("${network:sqlstring}", "'n'")
                sql = re.sub(
                    r"\$__timeFilter\((\w+)\)",
                    r"\1 BETWEEN now() - '1 day'::interval AND now()",
                    sql,
                )
                sql = sql.replace("$__timeFrom()", "now()").replace("$__timeTo()", "now()")
                assert "$" not in sql
                await connection.fetch(sql)
