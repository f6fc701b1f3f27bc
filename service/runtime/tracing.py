"""Traces (OpenTelemetry), where SEGMENTS_OTLP_ENDPOINT says that somebody collects them: from POST to the views.

A command's trace goes on in the Kafka header `traceparent` (W3C Trace Context). Without an endpoint spans are no-ops,
and who works on thousands of records looks at `settings.otlp_endpoint` before it makes any.
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
    """Send spans while the block runs, if an endpoint is set; what is left is sent at its end.

    instance: what this process is, such as `api`. Sampling is OpenTelemetry's own: OTEL_TRACES_SAMPLER.
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
    # Imported here: it takes half a second, which no process without traces should pay.
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
    """Read a `traceparent`: the context to start a span in; what is none begins a new trace."""
    return _W3C.extract({TRACEPARENT: traceparent} if traceparent else {})


def traceparent_of(span: Span) -> str | None:
    """Write a span as `traceparent`, for whoever goes on from it; None if it is no real one."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span))
    return carrier.get(TRACEPARENT)
