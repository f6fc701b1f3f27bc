"""The metrics of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]  # only the names of the contract
RECORDS = Counter(
    "segments_records",
    "Records by outcome",
    ["topic", "partition", "outcome", "reason"],
)
# Metrics without labels would be exposed as 0 by processes that never set them: see `measures` and `set_gauge`.
INGEST_LAG = Gauge(
    "segments_ingest_lag_records", "Records in Kafka that are not in the log", registry=None
)
PROJECTION_LAG = Gauge(
    "segments_projection_lag_records",
    "Records in the log that are not in the projection",
    ["projection"],
)
COMPLETE_UNTIL = Gauge(
    "segments_complete_until_seconds",
    "Unix time; every record received before it is in every projection",
    registry=None,
)
LANE_STOPPED = Gauge(
    "segments_lane_stopped", "Lanes that are stopped until an operator acts", registry=None
)
LANE_LAG = Gauge(
    "segments_lane_lag_records",
    "Records in Kafka that are not in the log, by lane",
    ["topic", "partition"],
    registry=None,
)
STOPPED_LANE = Gauge(
    "segments_stopped_lane",
    "1 for each lane that is stopped until an operator acts",
    ["topic", "partition"],
    registry=None,
)
BATCH_SECONDS = Histogram(
    "segments_batch_seconds",
    "Time to store or fold one batch",
    ["stage"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
REFOLDS = Counter("segments_refolds", "Keys folded again because of a late event", registry=None)
MISKEYED = Counter(
    "segments_miskeyed",
    "Records whose key is not network_id:user, so that only the time orders them",
    registry=None,
)
INVALID_SIGNATURES = Counter(
    "segments_unbelieved",
    "Records with a signature that was not accepted, by claimed source",
    ["source"],
    registry=None,
)
HTTP_SECONDS = Histogram(
    "segments_http_request_seconds",
    "Time from a request's head to the head of its response",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=None,
)
HTTP_IN_FLIGHT = Gauge(
    "segments_http_in_flight", "Requests in flight, health checks aside", registry=None
)
PUBLISH_SECONDS = Histogram(
    "segments_publish_seconds",
    "Time until the broker acknowledges a batch of the API",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=None,
)
CONNECTION_WAIT_SECONDS = Histogram(
    "segments_connection_wait_seconds",
    "Time that a task waits for a connection of its pool to Postgres",
    ["role"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2, 10),
    registry=None,
)
CONNECTIONS_IN_USE = Gauge(
    "segments_connections_in_use", "Connections to Postgres in use", ["role"], registry=None
)
CONNECTIONS_LIMIT = Gauge(
    "segments_connections_limit", "Largest size of the pools", ["role"], registry=None
)
EXPIRIES_OVERDUE = Gauge(
    "segments_expiries_overdue",
    "Overrides past their expiry whose `expire` is not in the views",
    registry=None,
)
SEALED_UNTIL = Gauge(
    "segments_sealed_until_seconds",
    "Unix time; everything final that was recorded before it is sealed",
    registry=None,
)
SEAL_STOPPED = Gauge(
    "segments_seal_stopped", "1 while sealing is stopped until an operator acts", registry=None
)
_MEASURED: set[Collector] = set()


def measures(metric: Collector) -> None:
    """Expose a metric from now on."""
    if metric not in _MEASURED:
        _MEASURED.add(metric)
        REGISTRY.register(metric)


def set_gauge(gauge: Gauge, value: float) -> None:
    """Set a gauge and expose it from now on."""
    gauge.set(value)
    measures(gauge)
