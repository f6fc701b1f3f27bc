"""A long key keeps states on its way: a late event, and a question about one event, fold a part of it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from projections import long_keys
from projections.rebuild import rebuild
from projections.worker import ROLE, Worker
from service.database import make_pool
from tests.projections.folding import commands, fold, log, read_views
from tests.support.database import connected, rows, sound, value
from tests.support.lane import said

if TYPE_CHECKING:
    from service.settings import Settings

pytestmark = pytest.mark.stack
AT = 1_700_000_000


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("every", [1, 2, 5])
async def test_a_key_of_any_length_that_is_added_to_anywhere_is_what_its_whole_fold_is(
    database: Settings, monkeypatch: pytest.MonkeyPatch, every: int, seed: int
) -> None:
    monkeypatch.setattr(long_keys, "EVERY", every)
    rng = random.Random(seed)  # noqa: S311 - the same each time
    async with log(database, 2) as lanes:
        given = commands(seed, 160, users=2)
        while given:
            count = rng.randint(1, 20)
            await rng.choice(lanes).append(*given[:count])
            given = given[count:]
            if rng.random() < 0.7:
                await fold(database.model_copy(update={"project_batch_records": rng.randint(1, 30)}))
        await fold(database)
    assert await value(database, "SELECT count(*) FROM projections.kept_state WHERE slot = 0") > 0
    await sound(database)
    views = await read_views(database)
    await rebuild(database)
    assert await value(database, "SELECT count(*) FROM projections.kept_state WHERE slot = 1") > 0
    await sound(database)
    assert await read_views(database) == views
