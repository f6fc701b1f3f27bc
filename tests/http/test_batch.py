"""POST of many commands: each item by itself, in their order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from projections.operations.status import end_offsets
from service.registry import segments as registry
from tests.http.client import command_body
from tests.support.database import folded, rows
from tests.support.roles import service

if TYPE_CHECKING:
    import httpx

    from tests.http.client import Api

pytestmark = pytest.mark.stack
PATH = "/networks/n/segments/batch"
NDJSON = {"Content-Type": "application/x-ndjson"}


async def batch(api: Api, items: Any, **headers: str) -> httpx.Response:
    return await api.call("POST", PATH, json=items, headers=headers)


async def test_one_bad_item_harms_no_other_and_each_is_answered_in_its_place(api: Api) -> None:
    answer = await batch(
        api,
        [
            command_body(user="a"), command_body(user="b", user_status="enter"), 7,
            command_body(user="c", segment_id=9),
            command_body(user="d", reference_id="r"), command_body(description="x" * 66_000),
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


async def test_the_segments_of_a_batch_are_looked_up_together(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand questions one after the other would be a thousand round trips."""
    find, questions = registry.find, []
    seen: set[tuple[str, int]] = set()

    async def counted(connection: Any, wanted: Any) -> Any:
        asked = set(wanted)
        if not asked <= seen:  # what is in use is asked for again each second
            questions.append(len(asked))
        seen.update(asked)
        return await find(connection, asked)

    monkeypatch.setattr(registry, "find", counted)
    answer = await batch(api, [command_body(user="u", segment_id=10_000 + n) for n in range(1000)])
    assert {item["status"] for item in answer.json()["items"]} == {404}
    assert len(questions) <= 3
    assert sum(questions) == 1000


async def test_lines_are_as_good_as_an_array(api: Api) -> None:
    lines = (
        "\n".join([json.dumps(command_body(user="a")), "", "{", json.dumps(command_body(user="b"))])
        + "\n"
    )
    response = await api.call("POST", PATH, content=lines.encode(), headers=NDJSON)
    assert [item["status"] for item in response.json()["items"]] == [201, 400, 201]


async def test_an_item_of_lines_names_its_line_and_an_arrays_its_place_alone(api: Api) -> None:
    """Blank lines are lines too, so a line's number is not that of its item."""
    wrong = [
        b"{",
        json.dumps(command_body(user_status="ad")).encode(),
        json.dumps(command_body(segment_id=9)).encode(),
    ]
    lines = b"\n".join([b"", *wrong[:1], b"\r", *wrong[1:]])
    response = await api.call("POST", PATH, content=lines, headers=NDJSON)
    items = response.json()["items"]
    assert [item["line"] for item in items] == [2, 4, 5]
    no_json, field, unknown = (item["detail"] for item in items)
    assert no_json.startswith("line 2: the value is not JSON")
    assert field.startswith("line 4: /1/user_status: must be")
    assert items[1]["errors"][0]["pointer"] == "/1/user_status"
    assert unknown == "line 5: no such segment in this network"
    array = await api.call("POST", PATH, content=b"[" + b",".join(wrong[1:]) + b"]")
    assert not any("line" in item for item in array.json()["items"])


async def test_a_thousand_are_taken_and_more_or_none_or_no_array_are_not(api: Api) -> None:
    full = await batch(api, [command_body(user=f"u{n}") for n in range(1000)])
    assert {item["status"] for item in full.json()["items"]} == {201}
    assert sum((await end_offsets(api.settings)).values()) == 1000
    for items in ([command_body()] * 1001, [], command_body()):
        answer = await batch(api, items)
        assert answer.status_code == 400, items
    large = await api.call("POST", PATH, content=b" " * (4 * 1024 * 1024 + 1))
    assert (large.status_code, large.json()["reason"]) == (413, "too_large")


async def test_an_idempotency_key_makes_a_batch_safe_to_send_again(api: Api) -> None:
    async with service(api.settings):
        for _ in range(2):
            await batch(
                api, [command_body(user="a"), command_body(user="b")], **{"Idempotency-Key": "k"}
            )
        await folded(api.settings)
    outcomes = await rows(api.settings, "SELECT user_id, outcome FROM reporting.result")
    assert sorted((row["user_id"], row["outcome"]) for row in outcomes) == [
        ("a", "applied"), ("a", "duplicate"), ("b", "applied"), ("b", "duplicate"),
    ]  # fmt: skip


async def test_items_that_no_json_parser_takes_harm_no_other(api: Api) -> None:
    good = json.dumps(command_body(user="a"))
    for bad in (
        '{"user": "\\ud800", "segment_id": 1, "user_status": "add"}',
        '{"metadata": ' + "[" * 3000 + "]" * 3000 + "}",
        '{"user": "]},{[", "segment_id": 1, "user_status": "add", "metadata": {"a": NaN}}',
        "nonsense",
        "",
    ):
        body = f" [{good}, {bad} ,{good}]\n".encode()
        response = await api.call("POST", PATH, content=body)
        assert response.status_code == 207, (bad, response.text)
        assert [item["status"] for item in response.json()["items"]] == [201, 400, 201], bad
    for none in (b"[", b"[1", b"[}", b"{}", b"[1] 2", b'["', b"[1}]", b""):
        response = await api.call("POST", PATH, content=none)
        assert (response.status_code, response.json()["reason"]) == (400, "not_json"), none


async def test_only_a_line_feed_ends_a_line(api: Api) -> None:
    lines = (
        b'{"user": "a",\r"segment_id": 1, "user_status": "add"}\r\n'
        + json.dumps(command_body()).encode()
    )
    response = await api.call("POST", PATH, content=lines, headers=NDJSON)
    assert [item["status"] for item in response.json()["items"]] == [201, 201]


async def test_an_equal_name_of_another_type_is_no_mistake_of_ours(api: Api) -> None:
    """Of equal names the last counts."""
    odd = (
        b'{"network_id": 5, "user": "x", "segment_id": 1, "user_status": "add", "network_id": "n"}'
    )
    assert (await api.post(odd)).status_code == 201
    response = await api.call("POST", PATH, content=b"[" + odd + b"," + odd[:-5] + b"null}]")
    assert [item["status"] for item in response.json()["items"]] == [201, 201]


@pytest.mark.parametrize(("items", "longest"), [(1, 253), (11, 252), (101, 251)])
async def test_a_key_that_leaves_no_room_for_the_items_places_is_refused_before_anything_is_sent(
    api: Api, items: int, longest: int
) -> None:
    commands = [command_body(user=f"u{n}") for n in range(items)]
    refused = await batch(api, commands, **{"Idempotency-Key": "k" * (longest + 1)})
    assert (refused.status_code, refused.json()["reason"]) == (400, "invalid_field")
    assert sum((await end_offsets(api.settings)).values()) == 0
    taken = await batch(api, commands, **{"Idempotency-Key": "k" * longest})
    assert {item["status"] for item in taken.json()["items"]} == {201}


async def test_a_batch_has_no_parameters_and_no_dry_run(api: Api) -> None:
    for query in ("dry_run=true", "dry_run=false", "x=1"):
        response = await api.call("POST", f"{PATH}?{query}", json=[command_body()])
        assert (response.status_code, response.json()["reason"]) == (400, "invalid_field"), query
    assert sum((await end_offsets(api.settings)).values()) == 0
