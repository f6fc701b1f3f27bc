"""Every view equals the oracle, whatever was published and however many work on it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from projections.fold.rebuild import rebuild
from projections.fold.worker import project
from service.ingest.role import ingest
from tests.histories import history
from tests.support.database import folded, sound
from tests.support.kafka import publish
from tests.support.referee import differences
from tests.support.registries import make_registry
from tests.support.roles import processes, service
from tests.support.sizes import short_and_long

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("seed", range(3))
async def test_views_equal_the_oracle_with_few_keys_and_several_workers(
    settings: Settings, seed: int
) -> None:
    small = settings.model_copy(
        update={"ingest_batch_records": 40, "project_batch_records": 30, "project_tasks": 3}
    )
    segments = await make_registry(settings, 2, 3)
    sent = history(seed, int(time.time()), commands=1500, lanes=4, users=6, segments=3)
    async with service(small, ingest, ingest, project, project):
        meta = await publish(settings, sent)
        await folded(settings)
    await sound(settings)
    positions = [(m.topic, m.partition, m.offset, m.timestamp) for m in meta]
    pairs = list(zip(sent, positions, strict=True))
    assert await differences(settings, segments, pairs) == []
    await rebuild(settings)
    await sound(settings)
    assert await differences(settings, segments, pairs) == []


@short_and_long("commands", 6000, 40_000)
async def test_views_equal_the_oracle_after_thousands_of_commands_through_two_and_two_processes(
    settings: Settings, commands: int
) -> None:
    segments = await make_registry(settings, 2, 5)
    sent = history(99, int(time.time()), commands=commands, lanes=4)
    with processes(settings, "ingest", "ingest", "project", "project"):
        meta = await publish(settings, sent)
        await folded(settings, 300)
    await sound(settings)
    positions = [(m.topic, m.partition, m.offset, m.timestamp) for m in meta]
    assert await differences(settings, segments, list(zip(sent, positions, strict=True))) == []
