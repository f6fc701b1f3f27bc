"""The metrics of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]  # the names of the contract and no others
RECORDS = Counter(
    "segments_records",
    "Records by what became of them",
    ["topic", "partition", "outcome", "reason"],
)
# Those without labels would say 0 in a process that measures nothing of the kind: see `measures` and `tell`.
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
    "Unix time before which everything received is in every projection",
    registry=None,
)
LANE_STOPPED = Gauge("segments_lane_stopped", "Lanes that wait for an operator", registry=None)
BATCH_SECONDS = Histogram(
    "segments_batch_seconds",
    "Time to store or fold one batch",
    ["stage"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
REFOLDS = Counter("segments_refolds", "Keys folded again because an event came late", registry=None)
MISKEYED = Counter(
    "segments_miskeyed",
    "Records whose key is not network_id:user, so that order rests on time alone",
    registry=None,
)
UNBELIEVED = Counter(
    "segments_unbelieved",
    "Records whose signature is there and not believed, by the source that they claim",
    ["source"],
    registry=None,
)
_MEASURED: set[Collector] = set()


def measures(metric: Collector) -> None:
    """Have this process expose a metric from now on."""
    if metric not in _MEASURED:
        _MEASURED.add(metric)
        REGISTRY.register(metric)


def tell(gauge: Gauge, value: float) -> None:
    """Set a gauge, which is exposed from then on."""
    gauge.set(value)
    measures(gauge)
