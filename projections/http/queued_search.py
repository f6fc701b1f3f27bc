"""Commands by their reference among those that Kafka has and the log has not yet: a bounded search."""

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

log = get_logger("projections.queued_search")
MOST_RECORDS = 2_000
SEARCH_SECONDS = 1.0
# Searches under way, waiting ones too: to read the same records again for ever more would hold up all else.
MOST_AT_ONCE = 8
_CHUNK = 200
_POLL_MS = 50
_UNREAD = Front(0, 0, None, is_stopped=False)


class _Span(NamedTuple):
    """What a lane holds on its way to the log: offsets from `first` below `end`."""

    first: int
    end: int
    epoch: int


class QueuedSearch:
    """Looks through records in Kafka, of lanes that are not stopped. `run` keeps the consumer."""

    def __init__(self, settings: Settings) -> None:
        self._kept = ReconnectingReader(settings)
        self._under_way = 0
        self.run = self._kept.run

    async def rows(self, network_id: str, reference_id: str, fronts: Fronts) -> list[Row]:
        """Give rows of view result, with outcome `queued`, of a network's commands that say a reference.

        Looked through are at most MOST_RECORDS records on their way, of each lane the newest, for at most
        SEARCH_SECONDS. fronts: how far the log has come. Where the broker does not answer nothing is found.
        """
        if self._under_way >= MOST_AT_ONCE:
            return []
        self._under_way += 1
        rows: list[Row] = []
        try:
            async with asyncio.timeout(SEARCH_SECONDS), self._kept.lent() as reader:
                spans = await self._spans(reader, fronts)
                async for record, epoch in _passing(reader, _newest(spans)):
                    if _may_say(record, reference_id):
                        row = queued_row(record, epoch)
                        if (row["network_id"], row["reference_id"]) == (network_id, reference_id):
                            rows.append(row)
        except TimeoutError:
            pass
        except INFRASTRUCTURE as error:
            self._kept.replace()
            log.warning("records could not be searched", error=f"{type(error).__name__}: {error}")
        finally:
            self._under_way -= 1
        return sorted(
            rows, key=lambda row: [row[f"kafka_{n}"] for n in ("topic", "partition", "offset")]
        )

    async def _spans(self, reader: AIOKafkaConsumer, fronts: Fronts) -> dict[TopicPartition, _Span]:
        """Find what each lane holds beyond the log. One that nothing was read of yet begins where Kafka does."""
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
    """Cut spans at their beginnings to MOST_RECORDS in all: short ones stay whole, long ones share what is left."""
    left = MOST_RECORDS
    cut = {}
    by_length = sorted(spans.items(), key=lambda item: item[1].end - item[1].first)
    for nth, (lane, span) in enumerate(by_length):
        first = max(span.first, span.end - left // (len(spans) - nth))
        left -= span.end - first
        cut[lane] = span._replace(first=first)
    return cut


async def _passing(
    reader: AIOKafkaConsumer, spans: Mapping[TopicPartition, _Span]
) -> AsyncIterator[tuple[ConsumerRecord[Any, Any], int]]:
    """Give the records of the spans, each with its lane's epoch."""
    if not spans:
        return
    reader.assign(list(spans))
    for lane, span in spans.items():
        reader.seek(lane, span.first)
    left = set(spans)
    while left:
        found = await reader.getmany(*left, timeout_ms=_POLL_MS, max_records=_CHUNK)
        ended = [lane for lane in left if await reader.position(lane) >= spans[lane].end]
        # Else the next search would wait for the broker's answer that there is no more.
        reader.pause(*ended)
        left.difference_update(ended)
        for lane, records in found.items():
            for record in records:
                yield record, spans[lane].epoch
        await asyncio.sleep(0)  # let others go on between


def _may_say(record: ConsumerRecord[Any, Any], reference_id: str) -> bool:
    """Whether it is worth reading: without escapes a reference stands in it as it is."""
    value = record.value
    return value is not None and (reference_id.encode() in value or b"\\" in value)
