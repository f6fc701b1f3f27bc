"""Rejected records: groups, payloads that are masked until asked for, and retries with what became of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from schemas.command.refusal import Reason
from segments.dashboard import rejected
from segments.dashboard.mending import MENDING
from service.registry.api_keys import Scope
from tests.dashboard.visitor import next_page, visiting
from tests.http.client import api_running
from tests.support.database import folded, make_segments, rows, value
from tests.support.kafka import NewRecord, publish
from tests.support.waiting import holds

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack
HIDDEN = "only in the payload"
PAYLOADS = "SELECT route, user_id FROM reporting.access_event WHERE route LIKE '%rejected'"


def group(api: Api, reason: str = "unknown_segment", show: str = "new") -> str:
    return f"rejected?reason={reason}&topic={api.settings.topic_prefix}.commands&show={show}"


async def refuse(api: Api, count: int = 2) -> None:
    """Let records of network n and of network m be rejected."""
    await publish(
        api.settings,
        [NewRecord(user=f"late-{nth}", segment_id=9, description=HIDDEN) for nth in range(count)]
        + [NewRecord(user="u", segment_id=1, user_status="nonsense")]
        + [NewRecord(user="theirs", network_id="m", segment_id=9)],
    )
    await folded(api.settings)


def test_each_reason_says_how_to_mend_it() -> None:
    assert set(MENDING) == set(Reason)


async def test_records_are_grouped_by_reason_and_topic_and_a_network_sees_its_own(api: Api) -> None:
    await refuse(api)
    await make_segments(api.settings, [("m", 1)])
    async with visiting(api) as visitor, visiting(api, Scope.REPORT, network="m") as other:
        text = (await visitor.get("rejected")).text
        counts = re.findall(r'data-label="Records">(\d+)<', text)
        assert sorted(counts) == ["1", "2"]
        assert "unknown segment" in text
        assert "invalid field" in text
        theirs = (await other.client.get("/admin/networks/m/rejected")).text
        assert re.findall(r'data-label="Records">(\d+)<', theirs) == ["1"]
        for path in ("rejected", group(api)):
            assert (await other.get(path)).status_code == 403
        mine = (await visitor.get(group(api))).text
        assert mine.count('<li id="record-') == 2


async def test_a_payload_is_masked_until_asked_for_and_that_look_is_recorded(api: Api) -> None:
    await refuse(api, 1)
    async with visiting(api) as visitor:
        text = (await visitor.get(group(api))).text
        assert HIDDEN not in text
        position = await value(
            api.settings,
            "SELECT concat_ws(':', kafka_topic, kafka_partition, kafka_epoch, kafka_offset) FROM reporting.rejected"
            " WHERE network_id = 'n' AND reason = 'unknown_segment'",
        )
        assert await rows(api.settings, PAYLOADS) == []
        shown = (await visitor.get(f"{group(api)}&payload={position}")).text
        assert HIDDEN in shown

        async def is_recorded() -> bool:
            found = await rows(api.settings, PAYLOADS)
            return [row["user_id"] for row in found] == ["late-0"]

        await holds(is_recorded)
        foreign = await value(
            api.settings,
            "SELECT concat_ws(':', kafka_topic, kafka_partition, kafka_epoch, kafka_offset) FROM reporting.rejected"
            " WHERE network_id = 'm'",
        )
        assert "theirs" not in (await visitor.get(f"{group(api)}&payload={foreign}")).text


async def test_a_mended_group_is_retried_and_shows_what_became_of_each(
    api: Api, sign_in: Callable[..., Any]
) -> None:
    await refuse(api)
    async with sign_in() as person:
        await person.go("rejected")
        await person.page.get_by_role("link", name="unknown segment").click()
        await person.sees("Create the segment with this id, and retry.")
        assert await person.violations() == []
        await make_segments(api.settings, [("n", 9)])
        await person.page.get_by_role("button", name="Retry all").click()
        await expect(person.page.locator(".mark.applied")).to_have_count(2)
        assert await person.violations() == []
        await person.page.get_by_role("link", name="not retried").click()
        await person.sees("All of these were retried")
        assert person.faults == []
    members = await rows(
        api.settings, "SELECT user_id, source, actor FROM reporting.membership ORDER BY 1"
    )
    assert [tuple(row.values()) for row in members] == [
        ("late-0", "retry", "ann@example.com"), ("late-1", "retry", "ann@example.com"),
    ]  # fmt: skip
    done = await rows(
        api.settings,
        "SELECT change, after ->> 'retried_as' AS new FROM reporting.admin_event WHERE kind = 'retry'",
    )
    assert [row["change"] for row in done] == ["retried", "retried"]
    assert all(row["new"] for row in done)


async def test_one_record_that_is_not_mended_is_rejected_again(
    api: Api, sign_in: Callable[..., Any]
) -> None:
    await refuse(api, 1)
    async with sign_in() as person:
        await person.go(group(api))
        await person.page.get_by_role("button", name=re.compile("^Retry .*:")).click()
        await person.sees("rejected again, unknown segment")


async def test_a_group_is_retried_at_most_so_many_at_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected, "RETRY_AT_ONCE", 2)
    monkeypatch.setattr(rejected, "PER_PAGE", 2)
    await refuse(api, 3)
    async with visiting(api) as visitor:
        first = (await visitor.get(group(api, show="all"))).text
        assert first.count('<li id="record-') == 2
        following = next_page(first)
        assert following
        rest = (await visitor.get(following)).text
        assert rest.count('<li id="record-') == 1
        assert (await visitor.post(group(api))).status_code == 303
    assert await value(api.settings, "SELECT count(*) FROM segments.retry") == 2


async def test_nobody_retries_what_is_not_theirs_or_what_their_scopes_do_not_say(api: Api) -> None:
    await refuse(api, 1)
    await make_segments(api.settings, [("m", 1)])
    position = await value(
        api.settings,
        "SELECT concat_ws(':', kafka_topic, kafka_partition, kafka_epoch, kafka_offset) FROM reporting.rejected"
        " WHERE network_id = 'm'",
    )
    async with visiting(api) as visitor, visiting(api, Scope.REPORT) as reader:
        assert (await visitor.post(group(api), position=position)).status_code == 404
        assert (await visitor.post(group(api), position="nonsense")).status_code == 400
        assert (await visitor.post(group(api), csrf="0" * 64)).status_code == 403
        assert (await reader.post(group(api))).status_code == 403
        assert "Retry all" not in (await reader.get(group(api))).text
    # What was never found to be allowed on its topic takes an operator, since a retry goes to a topic that may say all.
    async with visiting(api, Scope.REPORT, Scope.PUBLISH) as publisher:
        answer = await publisher.post(group(api, "invalid_field"))
        assert (answer.status_code, "scope operate" in answer.text) == (403, True)
        assert "Retry all" not in (await publisher.get(group(api, "invalid_field"))).text
    assert await value(api.settings, "SELECT count(*) FROM segments.retry") == 0


async def test_with_the_broker_away_nothing_is_retried_and_the_page_says_so(
    api: Api, ready: Settings
) -> None:
    await refuse(api, 1)
    away = ready.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    async with api_running(away, wait=False) as other, visiting(other) as visitor:
        theirs = await value(
            api.settings,
            "SELECT concat_ws(':', kafka_topic, kafka_partition, kafka_epoch, kafka_offset) FROM reporting.rejected"
            " WHERE network_id = 'm'",
        )
        # What is refused anyway does not reach for the broker.
        assert (await visitor.post(group(api), position=theirs)).status_code == 404
        answer = await visitor.post(group(api))
        assert answer.status_code == 503
        assert "the broker does not answer" in answer.text
    assert await value(api.settings, "SELECT count(*) FROM segments.retry") == 0
