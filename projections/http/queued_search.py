"""A bounded search for queued commands, which are in Kafka and not in the log yet, by reference."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import TopicPartition

from projections.http.queued import queued_row
from projections.http.reconnecting_reader import ReconnectingReader, partitions_of
from projections.queries.results import Front
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiokafka import AIOKafkaConsumer
    from aiokafka.structs import ConsumerRecord

    from projections.queries.results import Fronts
    from projections.queries.rows import Row
    from service.runtime.settings import Settings

log = get_logger("projections.http.queued_search")
MOST_RECORDS = 2_000
SEARCH_SECONDS = 1.0
# Concurrent searches, waiting ones included. Each reads the same records again, so their number is limited.
MOST_AT_ONCE = 8
_CHUNK = 200
_POLL_MS = 50
_UNREAD = Front(0, 0, None, is_stopped=False)


class _Span(NamedTuple):
    """The queued records of a lane: offsets from `first` to below `end`."""

    first: int
    end: int
    epoch: int


class QueuedSearch:
    """Searches records in Kafka, in lanes that are not stopped. `run` maintains the consumer."""

    def __init__(self, settings: Settings) -> None:
        self._reader = ReconnectingReader(settings)
        self._under_way = 0
        self.run = self._reader.run

    async def rows(self, network_id: str, reference_id: str, fronts: Fronts) -> list[Row]:
        """Return rows of view result, with outcome `queued`, of a network's commands with a reference.

        The search covers at most MOST_RECORDS queued records, the newest of each lane, and takes at most
        SEARCH_SECONDS.
        fronts: the log's positions. Without a response of the broker the result is empty.
        """
        if self._under_way >= MOST_AT_ONCE:
            return []
        self._under_way += 1
        rows: list[Row] = []
        try:
            async with asyncio.timeout(SEARCH_SECONDS), self._reader.acquire() as reader:
                spans = await self._spans(reader, fronts)
                async for record, epoch in _records(reader, _newest(spans)):
                    if _may_contain(record, reference_id):
                        row = queued_row(record, epoch)
                        if (row["network_id"], row["reference_id"]) == (network_id, reference_id):
                            rows.append(row)
        except TimeoutError:
            pass
        except INFRASTRUCTURE as error:
            self._reader.replace()
            log.warning("search of queued records failed", error=f"{type(error).__name__}: {error}")
        finally:
            self._under_way -= 1
        return sorted(
            rows, key=lambda row: [row[f"kafka_{n}"] for n in ("topic", "partition", "offset")]
        )

    async def _spans(self, reader: AIOKafkaConsumer, fronts: Fronts) -> dict[TopicPartition, _Span]:
        """Return the queued records of each lane. A lane that was never read starts at Kafka's first offset."""
        lanes = {
            TopicPartition(topic, partition): fronts[topic].get(partition, _UNREAD)
            for topic in fronts
            for partition in await partitions_of(reader, topic, set(fronts[topic]))
        }
        lanes = {lane: front for lane, front in lanes.items() if not front.is_stopped}
        firsts = await reader.beginning_offsets(lanes)
        ends = await reader.end_offsets(lanes)
        spans = {
            lane: _Span(max(firsts[lane], front.next_offset), ends[lane], front.epoch)
            for lane, front in lanes.items()
        }
        return {lane: span for lane, span in spans.items() if span.first < span.end}


def _newest(spans: Mapping[TopicPartition, _Span]) -> dict[TopicPartition, _Span]:
    """Limit spans to MOST_RECORDS in total by dropping the oldest: short spans stay whole, long ones share the rest."""
    left = MOST_RECORDS
    cut = {}
    by_length = sorted(spans.items(), key=lambda item: item[1].end - item[1].first)
    for nth, (lane, span) in enumerate(by_length):
        first = max(span.first, span.end - left // (len(spans) - nth))
        left -= span.end - first
        cut[lane] = span._replace(first=first)
    return cut


async def _records(
    reader: AIOKafkaConsumer, spans: Mapping[TopicPartition, _Span]
) -> AsyncIterator[tuple[ConsumerRecord[Any, Any], int]]:
    """Yield the records of the spans, each with its lane's epoch."""
    if not spans:
        return
    reader.assign(list(spans))
    for lane, span in spans.items():
        reader.seek(lane, span.first)
    left = set(spans)
    while left:
        batches = await reader.getmany(*left, timeout_ms=_POLL_MS, max_records=_CHUNK)
        ended = [lane for lane in left if await reader.position(lane) >= spans[lane].end]
        # Otherwise the next search would wait for a pending fetch without records.
        reader.pause(*ended)
        left.difference_update(ended)
        for lane, records in batches.items():
            for record in records:
                yield record, spans[lane].epoch
        await asyncio.sleep(0)  # yield to other tasks


def _may_contain(record: ConsumerRecord[Any, Any], reference_id: str) -> bool:
    """Whether it may contain the reference: without JSON escapes the reference occurs literally."""
    value = record.value
    return value is not None and (reference_id.encode() in value or b"\\" in value)
