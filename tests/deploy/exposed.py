"""The names of the series that the service exposes."""

from __future__ import annotations

import re

from prometheus_client.metrics import MetricWrapperBase

from service.runtime import telemetry

NAME = re.compile(r"\bsegments_[a-z0-9_]+")


def series() -> set[str]:
    """List the series of every metric, as Prometheus stores them."""
    names = set()
    for metric in vars(telemetry).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            endings = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
            names |= {family.name + ending for ending in endings.get(family.type, [""])}
    return names


def named(promql: str) -> set[str]:
    """List the series that a query names, labels and their values aside."""
    return set(NAME.findall(re.sub(r'"[^"]*"', "", promql)))
