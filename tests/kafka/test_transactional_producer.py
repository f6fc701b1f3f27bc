"""The producer that ends earlier ones of its name: whoever is ended says so once, and laments nothing besides."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import KafkaError, ProducerFenced

import service.kafka.transactional_producer
from schemas.topics import Topics
from service.kafka.transactional_producer import fencing_producer
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
# More than one batch of each partition.
RECORDS = [(b"%d" % n, b"x" * 500, n % 4) for n in range(4000)]


@pytest.fixture
def _at_leisure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that a busy machine makes slow is not given up."""
    monkeypatch.setattr(service.kafka.transactional_producer, "SECONDS", int(PATIENCE))
    monkeypatch.setattr(
        service.kafka.transactional_producer, "TRANSACTION_SECONDS", 2 * int(PATIENCE)
    )


async def unseen(settings: Settings, *, told_before: bool) -> list[dict[str, Any]]:
    """Have a producer go on when another one has started; give the errors that nobody looked at."""
    topics = Topics(settings.topic_prefix)
    lamented: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lamented.append(context))
    async with fencing_producer(settings, topics.transactional_id) as earlier:
        if told_before:
            await earlier.publish(topics.commands, RECORDS[:4])
        async with fencing_producer(settings, topics.transactional_id):
            with pytest.raises(ProducerFenced):
                await earlier.publish(topics.commands, RECORDS)
    del earlier
    gc.collect()
    await asyncio.sleep(0)
    return lamented


@pytest.mark.usefixtures("_at_leisure")
@pytest.mark.parametrize("told_before", [False, True])
async def test_a_producer_that_another_one_ended_laments_nothing(
    settings: Settings, *, told_before: bool
) -> None:
    assert await unseen(settings, told_before=told_before) == []


async def test_a_producer_that_is_closed_amid_a_transaction_laments_nothing(
    settings: Settings,
) -> None:
    topics = Topics(settings.topic_prefix)
    lamented: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lamented.append(context))
    async with fencing_producer(settings, topics.transactional_id) as producer:
        publishing = asyncio.ensure_future(producer.publish(topics.commands, RECORDS))
        await asyncio.sleep(0)
    with pytest.raises((KafkaError, asyncio.CancelledError)):
        await publishing
    del producer, publishing
    gc.collect()
    await asyncio.sleep(0)
    assert lamented == []
