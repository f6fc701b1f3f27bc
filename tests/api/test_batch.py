"""POST of many commands: each item by itself, in their order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from projections.status import end_offsets
from tests.api.client import said
from tests.support.database import folded, rows
from tests.support.roles import service

if TYPE_CHECKING:
    import httpx

    from tests.api.client import Api

pytestmark = pytest.mark.stack
PATH = "/networks/n/segments/batch"
NDJSON = {"Content-Type": "application/x-ndjson"}


async def batch(api: Api, items: Any, **headers: str) -> httpx.Response:
    return await api.call("POST", PATH, json=items, headers=headers)


async def test_one_bad_item_harms_no_other_and_each_is_answered_in_its_place(api: Api) -> None:
    answer = await batch(
        api,
        [
            said(user="a"), said(user="b", user_status="enter"), 7, said(user="c", segment_id=9),
            said(user="d", reference_id="r"), said(description="x" * 66_000),
        ],
    )  # fmt: skip
    assert answer.status_code == 207
    items = answer.json()["items"]
    assert [item["status"] for item in items] == [201, 400, 400, 404, 201, 413]
    assert items[1]["errors"][0]["pointer"] == "/1/user_status"
    assert items[4]["reference_id"] == "r"
    async with service(api.settings):
        await folded(api.settings)
    found = await rows(
        api.settings, "SELECT user_id, kafka_partition, kafka_offset FROM reporting.event"
    )
    assert {(row["user_id"], row["kafka_partition"], row["kafka_offset"]) for row in found} == {
        ("a", items[0]["partition"], items[0]["offset"]), ("d", items[4]["partition"], items[4]["offset"]),
    }  # fmt: skip


async def test_lines_are_as_good_as_an_array(api: Api) -> None:
    lines = "\n".join([json.dumps(said(user="a")), "", "{", json.dumps(said(user="b"))]) + "\n"
    answer = await api.call("POST", PATH, content=lines.encode(), headers=NDJSON)
    assert [item["status"] for item in answer.json()["items"]] == [201, 400, 201]


async def test_a_thousand_are_taken_and_more_or_none_or_no_array_are_not(api: Api) -> None:
    full = await batch(api, [said(user=f"u{n}") for n in range(1000)])
    assert {item["status"] for item in full.json()["items"]} == {201}
    assert sum((await end_offsets(api.settings)).values()) == 1000
    for items in ([said()] * 1001, [], said()):
        answer = await batch(api, items)
        assert answer.status_code == 400, items
    large = await api.call("POST", PATH, content=b" " * (4 * 1024 * 1024 + 1))
    assert (large.status_code, large.json()["reason"]) == (413, "too_large")


async def test_an_idempotency_key_makes_a_batch_safe_to_send_again(api: Api) -> None:
    async with service(api.settings):
        for _ in range(2):
            await batch(api, [said(user="a"), said(user="b")], **{"Idempotency-Key": "k"})
        await folded(api.settings)
    outcomes = await rows(api.settings, "SELECT user_id, outcome FROM reporting.result")
    assert sorted((row["user_id"], row["outcome"]) for row in outcomes) == [
        ("a", "applied"), ("a", "duplicate"), ("b", "applied"), ("b", "duplicate"),
    ]  # fmt: skip
