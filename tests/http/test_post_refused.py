"""POST of a command that is refused: the problem, and that nothing is published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from projections.operations.status import end_offsets
from service.registry import segments as registry
from tests.http.client import command_body
from tests.http.reading import AT
from tests.support.cases import cases
from tests.support.database import connected, folded
from tests.support.roles import service
from tests.support.waiting import holds

if TYPE_CHECKING:
    from tests.http.client import Api

pytestmark = pytest.mark.stack


@cases(
    ("command", "status", "reason", "pointers"),
    [
        (b"", 400, "not_json", []),
        (b"{", 400, "not_json", []),
        (b"[]", 400, "invalid_field", [""]),
        (command_body(user=...), 400, "invalid_field", ["/user"]),
        (command_body(segment_id="1", user=""), 400, "invalid_field", ["/user", "/segment_id"]),
        (command_body(user_status="enter"), 400, "invalid_field", ["/user_status"]),
        (command_body(user_status="expire"), 400, "invalid_field", ["/user_status"]),
        (command_body(network_id="m"), 400, "invalid_field", ["/network_id"]),
        (command_body(status_change_timestmp=AT), 400, "invalid_field", ["/status_change_timestmp"]),
        (command_body(metadata=[]), 400, "invalid_field", ["/metadata"]),
        (command_body(user_status="reset", expires_at=4_000_000_000), 400, "invalid_field", ["/expires_at"]),
        (command_body(expires_at=AT), 400, "invalid_field", ["/expires_at"]),
        (command_body(status_change_timestamp=5), 400, "timestamp_too_old", ["/status_change_timestamp"]),
        (command_body(status_change_timestamp=AT * 1000), 400, "timestamp_in_future", ["/status_change_timestamp"]),
        (command_body(reference_id="auto:1"), 400, "invalid_field", ["/reference_id"]),
        (command_body(segment_id=2), 404, "unknown_segment", []),
        (command_body(description="x" * 66_000), 413, "too_large", [""]),
    ],
)  # fmt: skip
async def test_a_refused_command_is_a_problem_that_names_each_wrong_field(
    api: Api, command: Any, status: int, reason: str, pointers: list[str]
) -> None:
    response = await api.post(command)
    body = response.json()
    assert (response.status_code, body["reason"], body["status"]) == (status, reason, status)
    assert response.headers["content-type"] == "application/problem+json"
    assert sorted(error["pointer"] for error in body.get("errors", [])) == sorted(pointers)
    assert await published(api) == 0


async def published(api: Api) -> int:
    return sum((await end_offsets(api.settings)).values())


async def test_an_archived_segment_refuses_commands_and_a_restored_one_takes_them_at_once(
    api: Api,
) -> None:
    for archived, status in ((True, 409), (False, 201)):
        async with connected(api.settings) as connection:
            await registry.set_archived(connection, network_id="n", segment_id=1, archived=archived)
        # That it exists may be remembered for a second; that it takes no commands never is.
        await holds(lambda status=status: answers(api, status))


async def answers(api: Api, status: int) -> bool:
    return (await api.post(command_body())).status_code == status


@cases(
    "query", ["dry_run=perhaps", "dryrun=true", "Dry_Run=true", "dry_run=true&dry_run=false", "dry_run", "x="]
)  # fmt: skip
async def test_a_dry_run_that_is_mistyped_publishes_nothing(api: Api, query: str) -> None:
    response = await api.call("POST", f"/networks/n/segments?{query}", json=command_body())
    assert (response.status_code, response.json()["reason"]) == (400, "invalid_field")
    assert response.json()["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"
    assert await published(api) == 0


async def test_two_idempotency_keys_are_refused_and_of_two_credentials_the_first_counts(
    api: Api,
) -> None:
    own = [("Authorization", f"Bearer {await api.key()}")]
    other = [("Authorization", "Bearer sgk_nobodys")]

    async def sent(*headers: tuple[str, str]) -> int:
        response = await api.client.post(
            "/networks/n/segments", json=command_body(), headers=[*headers]
        )
        return response.status_code

    two = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert [await sent(*own, *two), await sent(*own, *other), await sent(*other, *own)] == [
        400,
        201,
        401,
    ]


async def test_a_retry_is_taken_when_its_segment_was_archived_meanwhile(api: Api) -> None:
    """As the append would: that it is a repeat is looked at first."""
    key = {"Idempotency-Key": "k"}
    timed = command_body(user="v", status_change_timestamp=AT)
    async with service(api.settings):
        first = [await api.post(command_body(), headers=key), await api.post(timed)]
        await folded(api.settings)
        async with connected(api.settings) as connection:
            await registry.set_archived(connection, network_id="n", segment_id=1, archived=True)
        await holds(lambda: answers(api, 409))
        again = [await api.post(command_body(), headers=key), await api.post(timed)]
        batch = await api.call(
            "POST", "/networks/n/segments/batch", json=[timed, command_body(user="w"), timed | {"reference_id": "r"}]
        )  # fmt: skip
    assert [one.status_code for one in first + again] == [201] * 4
    assert [item["status"] for item in batch.json()["items"]] == [201, 409, 409]


async def test_what_is_no_route_or_no_method_of_one_is_a_problem_too(api: Api) -> None:
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("DELETE", "/health/live", 405),
        ("GET", "/networks/n/segments", 405),
        ("DELETE", "/networks/n/segments/batch", 405),
    ):
        response = await api.call(method, path)
        assert (response.status_code, response.headers["content-type"]) == (
            status,
            "application/problem+json",
        )
