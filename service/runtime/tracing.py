"""OpenTelemetry traces from POST to the views, if SEGMENTS_OTLP_ENDPOINT is set.

The Kafka header `traceparent` (W3C Trace Context) carries a command's trace. Without an endpoint spans are no-ops, and
code that handles thousands of records checks `settings.otlp_endpoint` before it creates spans.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from schemas.headers import TRACEPARENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from service.runtime.settings import Settings

TRACER: Final = trace.get_tracer("segments")
_W3C: Final = TraceContextTextMapPropagator()
SPANS_PATH: Final = "/v1/traces"


@contextmanager
def tracing(settings: Settings, instance: str) -> Iterator[None]:
    """Send spans while the block runs, if an endpoint is set. The rest is flushed at its end.

    instance: the kind of process, such as `api`. Sampling is set by OpenTelemetry's OTEL_TRACES_SAMPLER.
    """
    if settings.otlp_endpoint is None:
        yield
        return
    provider = _provider(settings.otlp_endpoint.rstrip("/") + SPANS_PATH, instance)
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


def _provider(url: str, instance: str) -> TracerProvider:
    # Imported here because it takes half a second, which a process without traces need not spend.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import (  # noqa: PLC0415
        SERVICE_INSTANCE_ID,
        SERVICE_NAME,
        Resource,
    )
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create({SERVICE_NAME: "segments", SERVICE_INSTANCE_ID: instance})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(url, timeout=5), schedule_delay_millis=1000)
    )
    return provider


def carried(traceparent: str | None) -> Context:
    """Parse a `traceparent` into the context to start a span in. An invalid one starts a new trace."""
    return _W3C.extract({TRACEPARENT: traceparent} if traceparent else {})


def traceparent_of(span: Span) -> str | None:
    """Format a span as `traceparent`, for a downstream process; None for a no-op span."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span))
    return carrier.get(TRACEPARENT)
