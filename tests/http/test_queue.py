"""What waits for a partition: networks take turns, and each one's records keep their order."""

from __future__ import annotations

from aiokafka.producer.message_accumulator import BatchBuilder

from service.http.publishing.partition_queue import PartitionQueue, Record


async def test_a_newcomer_does_not_wait_for_all_that_another_network_has_waiting() -> None:
    queue = PartitionQueue()
    for number in range(1000):
        queue.add(Record("busy", b"k", b"%04d" % number * 25, [], 1))
    for number in range(3):
        queue.add(Record("calm", b"k", b"%d" % number, [], 1))
    queue.fill(BatchBuilder(10_000, 0))
    handed = [record.network_id for record in queue.handed]
    assert handed[:7] == ["busy", "calm"] * 3 + ["busy"]
    sent = len(handed) - 3
    assert 0 < sent < 1000
    values = [record.value for record in queue.handed if record.network_id == "busy"]
    assert values == [b"%04d" % number * 25 for number in range(sent)]
    queue.fill(BatchBuilder(10_000, 0))
    assert queue.handed[0].value == b"%04d" % sent * 25
    assert len(queue.clear()) == 1000 - sent - len(queue.handed)
    assert not queue


async def test_a_record_larger_than_a_batch_goes_alone() -> None:
    queue = PartitionQueue()
    for size in (60_000, 10):
        queue.add(Record("n", b"k", b"x" * size, [], 1))
    queue.fill(BatchBuilder(1000, 0))
    assert [len(record.value) for record in queue.handed] == [60_000]
