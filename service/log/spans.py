"""Tracing of the append: a span for each record with a trace, passed on to the projections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.trace import Span, SpanKind

from service.runtime.tracing import TRACER, carried, traceparent_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from service.log.batch import Batch

# The most spans of one batch, so that the cost stays bounded even if every record is traced.
MOST = 500


class Traced(NamedTuple):
    """A record in a trace, and the span of its append."""

    offset: int
    span: Span


def are_in(batch: Batch) -> bool:
    """Whether a record of a batch carries a trace."""
    return any(c.headers.traceparent is not None for c in batch.candidates)


def begin(batch: Batch) -> list[Traced]:
    """Begin a span for each traced record of a batch; it is exported when it ends."""
    carrying = [c for c in batch.candidates if c.headers.traceparent is not None][:MOST]
    return [
        Traced(
            candidate.record.offset,
            TRACER.start_span(
                "append",
                carried(candidate.headers.traceparent),
                SpanKind.CONSUMER,
                {
                    "messaging.system": "kafka",
                    "messaging.destination.name": batch.lane.topic,
                    "messaging.destination.partition.id": str(batch.lane.partition),
                    "messaging.kafka.offset": candidate.record.offset,
                },
            ),
        )
        for candidate in carrying
    ]


async def hand_on(
    connection: asyncpg.Connection[Any], lane_id: int, traced: Sequence[Traced]
) -> None:
    """Store the traces for the projection workers, in the append's transaction."""
    rows = [(lane_id, one.offset, traceparent_of(one.span)) for one in traced]
    await connection.copy_records_to_table(
        "trace",
        schema_name="projections",
        columns=("lane_id", "kafka_offset", "traceparent"),
        records=[row for row in rows if row[2] is not None],
    )


def end(traced: Sequence[Traced]) -> None:
    """End the spans: the batch is committed."""
    for one in traced:
        one.span.end()
