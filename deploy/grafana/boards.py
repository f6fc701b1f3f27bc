"""The dashboards as data: panels in rows, each with its unit and queries.

Metrics come from a Prometheus data source. The dashboard of a network asks the reporting views by a Postgres data
source, because no metric has a network as its label.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# The version of Grafana's dashboard model that the fields belong to; newer Grafanas upgrade it when they load it.
SCHEMA_VERSION = 39
HEIGHT, WIDTH = 8, 24
PROMETHEUS = {"type": "prometheus", "uid": "${prometheus}"}
POSTGRES = {"type": "grafana-postgresql-datasource", "uid": "${postgres}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel. queries: PromQL or SQL by legend; a legend may name labels. kind: Grafana's panel type."""

    title: str
    unit: str
    queries: dict[str, str]
    kind: str = "timeseries"
    help: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard: rows of panels of equal width. uid: fixed, so that an import replaces the earlier version."""

    uid: str
    title: str
    source: dict[str, str]
    rows: tuple[tuple[Panel, ...], ...]
    variables: tuple[dict[str, Any], ...] = field(default=())
    since: str = "now-6h"


def _p99(metric: str, by: str) -> str:
    return f"histogram_quantile(0.99, sum by (le, {by}) (rate({metric}_bucket[$__rate_interval])))"


_PIPELINE = Board(
    "segments-pipeline",
    "Segments: pipeline",
    PROMETHEUS,
    (
        (
            Panel(
                "Views are behind the clock", "s",
                {"behind": "time() - max(segments_complete_until_seconds)"}, "stat",
                "Every record that was received earlier is in every view.",
            ),
            Panel("Stopped lanes", "none", {"stopped": "sum(segments_lane_stopped)"}, "stat"),
            Panel(
                "Overrides past their expiry", "none",
                {"overdue": "min(segments_expiries_overdue)"}, "stat",
            ),
            Panel(
                "Seal is behind the clock", "s",
                {"behind": "time() - max(segments_sealed_until_seconds)"}, "stat",
            ),
        ),
        (
            Panel(
                "Records by outcome", "reqps",
                {"{{outcome}}": "sum by (outcome) (rate(segments_records_total[$__rate_interval]))"},
            ),
            Panel(
                "Rejected by reason", "reqps",
                {
                    "{{reason}}": "sum by (reason)"
                    ' (rate(segments_records_total{outcome="rejected"}[$__rate_interval]))'
                },
            ),
        ),
        (
            Panel(
                "Ingest lag by lane", "short",
                {"{{topic}}-{{partition}}": "sum by (topic, partition) (segments_lane_lag_records)"},
            ),
            Panel(
                "Projection lag", "short",
                {"{{projection}}": "max by (projection) (segments_projection_lag_records)"},
            ),
        ),
        (
            Panel(
                "Time of a batch, 99th percentile", "s",
                {"{{stage}}": _p99("segments_batch_seconds", "stage")},
            ),
            Panel(
                "Keys folded again, records with another key", "reqps",
                {
                    "folded again": "sum(rate(segments_refolds_total[$__rate_interval]))",
                    "other key": "sum(rate(segments_miskeyed_total[$__rate_interval]))",
                },
            ),
        ),
    ),
)  # fmt: skip

_API = Board(
    "segments-api",
    "Segments: API",
    PROMETHEUS,
    (
        (
            Panel(
                "Requests by status", "reqps",
                {
                    "{{status}}": "sum by (status)"
                    " (rate(segments_http_request_seconds_count[$__rate_interval]))"
                },
            ),
            Panel(
                "Requests by route", "reqps",
                {
                    "{{method}} {{route}}": "sum by (method, route)"
                    " (rate(segments_http_request_seconds_count[$__rate_interval]))"
                },
            ),
        ),
        (
            Panel(
                "Time to the response's head, 99th percentile", "s",
                {"{{route}}": _p99("segments_http_request_seconds", "route")},
            ),
            Panel(
                "Requests in flight", "short",
                {"{{instance}}": "sum by (instance) (segments_http_in_flight)"},
            ),
        ),
        (
            Panel(
                "Broker's acknowledgement, 99th percentile", "s",
                {"{{instance}}": _p99("segments_publish_seconds", "instance")},
            ),
            Panel(
                "Wait for a connection, 99th percentile", "s",
                {"{{instance}} {{role}}": _p99("segments_connection_wait_seconds", "instance, role")},
            ),
            Panel(
                "Connections in use", "percentunit",
                {
                    "{{instance}} {{role}}": "sum by (instance, role) (segments_connections_in_use)"
                    " / sum by (instance, role) (segments_connections_limit)"
                },
            ),
        ),
    ),
)  # fmt: skip

_OF_NETWORK = "WHERE network_id = ${network:sqlstring}"
_IN_TIME = "AND day >= $__timeFrom()::date AND day <= $__timeTo()::date"
_NETWORK = Board(
    "segments-network",
    "Segments: one network",
    POSTGRES,
    (
        (
            Panel(
                "Complete until", "dateTimeAsIso",
                {"complete until": "SELECT complete_until FROM ${schema:raw}.watermark"}, "stat",
            ),
            Panel(
                "Members, all segments", "short",
                {"members": f"SELECT sum(members) AS members FROM ${{schema:raw}}.segment_size {_OF_NETWORK}"},
                "stat",
            ),
            Panel(
                "Standing overrides", "short",
                {
                    "overrides": "SELECT sum(added) AS added, sum(blocked) AS blocked"
                    f" FROM ${{schema:raw}}.segment_size {_OF_NETWORK}"
                },
                "stat",
            ),
        ),
        (
            Panel(
                "Members by segment", "short",
                {
                    "members": "SELECT day::timestamp AS time, segment_name AS metric, members"
                    f" FROM ${{schema:raw}}.segment_size_calendar {_OF_NETWORK} {_IN_TIME} ORDER BY day"
                },
            ),
            Panel(
                "Joined and left", "short",
                {
                    "changes": "SELECT day::timestamp AS time, sum(members_joined) AS joined,"
                    f" -sum(members_left) AS left FROM ${{schema:raw}}.segment_size_daily {_OF_NETWORK}"
                    f" {_IN_TIME} GROUP BY day ORDER BY day"
                },
            ),
        ),
        (
            Panel(
                "Segments now", "short",
                {
                    "segments": "SELECT segment_id, segment_name, members, added, blocked"
                    f" FROM ${{schema:raw}}.segment_size {_OF_NETWORK} ORDER BY members DESC"
                },
                "table",
            ),
            Panel(
                "Rejected in this time", "short",
                {
                    "rejected": "SELECT reason, count(*) AS records, max(received_at) AS latest"
                    f" FROM ${{schema:raw}}.rejected {_OF_NETWORK} AND $__timeFilter(received_at)"
                    " GROUP BY reason ORDER BY records DESC"
                },
                "table",
            ),
        ),
        (
            Panel(
                "Past days that moved in this time", "short",
                {
                    "moved": "SELECT recorded_at, segment_id, day, user_id, members_before, members_after"
                    f" FROM ${{schema:raw}}.retroactive_change {_OF_NETWORK} AND $__timeFilter(recorded_at)"
                    " ORDER BY recorded_at DESC LIMIT 200"
                },
                "table", "Events that arrived after the day that they change.",
            ),
        ),
    ),
    (
        {
            "name": "schema", "type": "custom", "query": "reporting_network,reporting",
            "label": "Schema: reporting_network for a login of one network",
        },
        {
            "name": "network", "type": "query", "label": "Network", "datasource": POSTGRES, "refresh": 1,
            "query": "SELECT DISTINCT network_id FROM ${schema:raw}.segment ORDER BY network_id",
        },
    ),
    "now-90d",
)  # fmt: skip
BOARDS = (_PIPELINE, _API, _NETWORK)


def render(board: Board) -> dict[str, Any]:
    """Return a dashboard in Grafana's JSON model."""
    source = "prometheus" if board.source is PROMETHEUS else "postgres"
    panels: list[dict[str, Any]] = []
    for y, row in enumerate(board.rows):
        width = WIDTH // len(row)
        for x, panel in enumerate(row):
            place = {"h": HEIGHT, "w": width, "x": x * width, "y": y * HEIGHT}
            panels.append(_panel(panel, len(panels) + 1, board.source, place))
    return {
        "uid": board.uid,
        "title": board.title,
        "tags": ["segments"],
        "timezone": "browser",
        "editable": True,
        "schemaVersion": SCHEMA_VERSION,
        "refresh": "30s",
        "time": {"from": board.since, "to": "now"},
        "templating": {
            "list": [
                {"name": source, "type": "datasource", "query": board.source["type"]},
                *board.variables,
            ]
        },
        "panels": panels,
    }


def _panel(
    panel: Panel, number: int, source: dict[str, str], place: dict[str, int]
) -> dict[str, Any]:
    is_sql = source is POSTGRES
    targets = [
        {
            "refId": chr(ord("A") + nth),
            "datasource": source,
            **(
                {"rawSql": query, "rawQuery": True, "editorMode": "code",
                 "format": "time_series" if panel.kind == "timeseries" else "table"}
                if is_sql
                else {"expr": query, "legendFormat": legend, "instant": panel.kind == "stat"}
            ),
        }
        for nth, (legend, query) in enumerate(panel.queries.items())
    ]  # fmt: skip
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": source,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": targets,
    }
