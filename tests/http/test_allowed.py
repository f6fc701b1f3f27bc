"""What `<prefix>.commands` may not say is refused over HTTP, and not only at the append."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from projections.operations.status import end_offsets
from schemas.topics import Topics
from service.registry import command_topics
from tests.http.client import api_running, command_body
from tests.support.database import connected, folded, rows
from tests.support.proxy import database_proxy
from tests.support.roles import service
from tests.support.waiting import holds

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack
BATCH = "/networks/n/segments/batch"
ONLY_ADD = {"networks": ["n"], "statuses": ["add"]}


async def allow(settings: Settings, **bounds: Any) -> None:
    async with connected(settings) as connection:
        await command_topics.allow(
            connection, settings, Topics(settings.topic_prefix).commands, **bounds
        )


async def revoke(settings: Settings) -> None:
    async with connected(settings) as connection:
        await command_topics.revoke(connection, settings, Topics(settings.topic_prefix).commands)


async def refused(api: Api, **fields: Any) -> tuple[int, str, list[str]]:
    """POST a command; gives status, reason, and the pointers of wrong fields."""
    response = await api.post(command_body(**fields))
    body = response.json()
    pointers = [error["pointer"] for error in body.get("errors", [])]
    return response.status_code, body["reason"], pointers


async def test_what_the_topic_may_not_say_is_403_names_the_field_and_is_not_published(
    ready: Settings,
) -> None:
    await allow(ready, **ONLY_ADD)
    async with api_running(ready) as api:
        response = await api.post(command_body(user_status="block"))
        assert response.status_code == 403
        assert response.json() == {
            "type": "urn:segments:problem:not_allowed", "title": "Forbidden", "status": 403, "reason": "not_allowed",
            "detail": "/user_status: this topic may not carry block, only add",
            "errors": [{"pointer": "/user_status", "detail": "this topic may not carry block, only add"}],
        }  # fmt: skip
        dry = await api.call(
            "POST", "/networks/n/segments?dry_run=true", json=command_body(user_status="reset")
        )
        assert (dry.status_code, dry.json()["reason"]) == (403, "not_allowed")
        assert sum((await end_offsets(ready)).values()) == 0
        assert (await api.post(command_body())).status_code == 201


async def test_it_is_refused_in_the_contracts_order(ready: Settings) -> None:
    """After what is wrong with the command by itself, before its time and its segment."""
    await allow(ready, **ONLY_ADD)
    async with api_running(ready) as api:
        block = {"user_status": "block"}
        assert await refused(api, **block, user="") == (400, "invalid_field", ["/user"])
        not_allowed = (403, "not_allowed", ["/user_status"])
        assert await refused(api, **block, status_change_timestamp=5) == not_allowed
        assert await refused(api, **block, segment_id=9) == not_allowed


async def test_one_that_may_not_be_said_harms_no_other_of_its_batch(ready: Settings) -> None:
    await allow(ready, **ONLY_ADD)
    async with api_running(ready) as api, service(ready):
        items = [
            command_body(user="a"),
            command_body(user="b", user_status="block"),
            command_body(user="c"),
        ]
        response = await api.call("POST", BATCH, json=items)
        found = response.json()["items"]
        assert (response.status_code, [item["status"] for item in found]) == (207, [201, 403, 201])
        assert (found[1]["reason"], found[1]["errors"][0]["pointer"]) == (
            "not_allowed",
            "/1/user_status",
        )
        await folded(ready)
    events = await rows(ready, "SELECT user_id FROM reporting.event ORDER BY 1")
    assert [row["user_id"] for row in events] == ["a", "c"]
    assert await rows(ready, "SELECT 1 FROM reporting.rejected") == []


async def test_what_is_allowed_again_is_taken_at_once_and_what_is_revoked_within_seconds_no_more(
    api: Api,
) -> None:
    await revoke(api.settings)
    # That it may be said may be remembered for a second; that it may not never is.
    await holds(lambda: is_refused(api))
    assert await refused(api) == (403, "not_allowed", [])
    await allow(api.settings, networks=["m"])
    assert await refused(api) == (403, "not_allowed", ["/network_id"])
    await allow(api.settings)
    assert (await api.post(command_body())).status_code == 201


async def is_refused(api: Api) -> bool:
    return (await api.post(command_body())).status_code == 403


async def test_memory_alone_refuses_nothing_and_a_batch_asks_a_database_that_is_away_once(
    ready: Settings,
) -> None:
    """What may be said is taken all the while; of all else it can't be told."""
    await allow(ready, **ONLY_ADD)
    async with database_proxy(ready) as (proxy, through), api_running(through) as api:
        assert (await api.post(command_body())).status_code == 201
        proxy.refuse()
        before = proxy.refused
        items = [*[command_body(user_status="block")] * 200, command_body()]
        found = (await api.call("POST", BATCH, json=items)).json()["items"]
        assert [item["status"] for item in found] == [*[503] * 200, 201]
        assert {item["published"] for item in found[:200]} == {"no"}
        assert proxy.refused - before < 100
        proxy.mend()
        await holds(lambda: is_refused_as(api, "block"))


async def is_refused_as(api: Api, user_status: str) -> bool:
    return (await api.post(command_body(user_status=user_status))).status_code == 403
