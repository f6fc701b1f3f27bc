"""Large batches are split one at a time, and networks take turns at it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from service.http.kit.shares import Shares
from service.http.publishing import body, routes
from tests.http.client import command_body
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from service.http.publishing.body import Item
    from tests.http.client import Api

pytestmark = pytest.mark.stack


async def test_a_batch_waits_for_one_batch_of_another_network_and_a_small_one_for_none(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    begun: list[str] = []
    go_on = threading.Semaphore(0)
    split, place = body.split_batch, Shares.place

    def held(batch: bytes, **options: Any) -> list[Item]:
        if len(batch) > routes.SPLIT_AT_ONCE_BYTES:
            begun.append("other" if b"other" in batch else "n")
            go_on.acquire()
        return split(batch, **options)

    def noted(shares: Shares, network_id: str, seconds: float) -> Any:
        if seconds == PATIENCE:
            asked.append(network_id)
        return place(shares, network_id, seconds)

    monkeypatch.setattr(routes, "SPLIT_SECONDS", PATIENCE)
    monkeypatch.setattr(routes, "split_batch", held)
    monkeypatch.setattr(Shares, "place", noted)

    def post(network: str, items: int) -> asyncio.Task[Any]:
        batch = [command_body(user=f"{network}-{number}", segment_id=9) for number in range(items)]
        path = f"/networks/{network}/segments/batch"
        return asyncio.create_task(api.call("POST", path, network=network, json=batch))

    await api.key("other")
    hostile = [post("n", 1000) for _ in range(8)]
    await holds(lambda: len(asked) == len(hostile))
    good = post("other", 1000)
    await holds(lambda: "other" in asked)
    assert (await post("other", 3)).status_code == 207
    for _ in range(9):
        go_on.release()
    assert (await good).status_code == 207
    assert begun.index("other") <= 2
    await asyncio.gather(*hostile)
