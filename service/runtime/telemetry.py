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
