"""Many batches at once: each is taken whole or refused whole, and nothing is unknown while the broker answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from projections.operations.status import end_offsets
from service.http.publishing import publisher
from tests.http.client import api_running, command_body

if TYPE_CHECKING:
    import httpx

    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack
PATH = "/networks/n/segments/batch"
AT = 1_700_000_000


async def post(api: Api, items: list[dict[str, Any]]) -> httpx.Response:
    return await api.call("POST", PATH, json=items)


def batch(number: int) -> list[dict[str, Any]]:
    return [command_body(user=f"u{number}-{n}", status_change_timestamp=AT) for n in range(1000)]


@pytest.mark.parametrize("most", [2**30, 2**20], ids=["by the rate", "by the limit"])
async def test_twenty_batches_of_a_thousand_at_once_are_each_taken_whole_or_refused_whole(
    ready: Settings, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    # However slow the broker is here, it is not away: what is left is our own waiting.
    monkeypatch.setattr(publisher, "BROKER_TICKS", 600)
    given = {"http_rate_limit": "1000000/second", "http_publish_bytes": most}
    async with api_running(ready.model_copy(update=given)) as api:
        await api.key()
        left = [batch(number) for number in range(20)]
        while left:
            answers = await asyncio.gather(*(post(api, one) for one in left))
            refused = []
            for one, answer in zip(left, answers, strict=True):
                if answer.status_code == 207:
                    assert [item["status"] for item in answer.json()["items"]] == [201] * 1000
                    continue
                assert (answer.status_code, answer.json()["published"]) == (503, "no")
                assert answer.json()["reason"] == "busy"
                assert int(answer.headers["retry-after"]) >= 1
                refused.append(one)
            assert len(refused) < len(left)  # where nothing waits one is always taken
            left = refused
        assert sum((await end_offsets(api.settings)).values()) == 20_000
