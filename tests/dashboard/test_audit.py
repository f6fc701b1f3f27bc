"""The audit trail: what was done, who read what, filters, CSV, and whose it is."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

import pytest

from segments.dashboard import audit
from segments.dashboard.csv_file import cell
from service.registry import command_topics
from service.registry.api_keys import Scope
from tests.dashboard.visitor import next_page, visiting
from tests.support.command_line import run
from tests.support.database import connected, make_segments, rows
from tests.support.waiting import holds

if TYPE_CHECKING:
    from tests.http.client import Api

pytestmark = pytest.mark.stack
LATER = "2100-01-01"


def whats(text: str) -> list[str]:
    """Return kind, change and object of each row, newest first."""
    found = re.findall(
        r'<td data-label="What"><span>(\w+) <strong>([\w ]+)</strong> <span class="clip"><bdi>([^<]+)', text
    )  # fmt: skip
    return [" ".join(one) for one in found]


async def test_what_was_done_is_listed_newest_first_with_what_it_was_before(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        await visitor.post("segments/1/definition", name="Renamed", description="Why")
        text = (await visitor.get("audit")).text
        assert whats(text)[0] == "segment edited 1"
        assert "<del><bdi>segment 1</bdi></del>" in text
        assert "<ins><bdi>Renamed</bdi></ins>" in text
        assert {"segment created 1", "segment edited 1"} < set(whats(text))
        assert any(re.match(r"key created \w{16}$", what) for what in whats(text))
        assert any(re.match(r"key signed in \w{16}$", what) for what in whats(text))


async def test_the_trail_is_filtered_by_the_url(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        await visitor.post("segments/1/definition", name="Renamed")

        async def shown(query: str) -> list[str]:
            return whats((await visitor.get(f"audit?{query}")).text)

        assert await shown("kind=segment") == ["segment edited 1", "segment created 1"]
        assert await shown("kind=segment&actor=TEST") == ["segment edited 1"]
        assert await shown("object=1") == ["segment edited 1", "segment created 1"]
        assert await shown("object=2") == []
        assert await shown(f"from={LATER}") == []
        assert await shown("to=2001-01-01") == []
        assert len(await shown(f"from=2001-01-01&to={LATER}")) >= 4


async def test_the_trail_is_paged_without_gap_or_overlap(
    idle_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PER_PAGE", 2)
    monkeypatch.setattr(audit, "PIECE", 2)
    async with visiting(idle_api) as visitor:
        for number in range(4):
            await visitor.post("segments/1/definition", name=f"name {number}")
        seen: list[str] = []
        path = "audit"
        while path:
            text = (await visitor.get(path)).text
            seen += re.findall(r'<tr id="(\w+-\d+)"', text)
            path = next_page(text)
        assert len(seen) == len(set(seen))
        everything = await rows(
            idle_api.settings,
            "SELECT kind || '-' || number AS id FROM reporting.admin_event WHERE network_id = 'n'"
            " ORDER BY happened_at DESC, kind DESC, number DESC",
        )
        assert seen == [row["id"] for row in everything]
        table = list(csv.DictReader((await visitor.get("audit.csv")).text.splitlines()))
        assert len(table) == len(everything)


async def test_who_looked_at_a_user_by_page_http_and_command_is_listed(idle_api: Api) -> None:
    settings = idle_api.settings
    async with visiting(idle_api) as visitor:
        await visitor.get("segments/1")
        await idle_api.call("GET", "/networks/n/users/u/segments")
        await run(settings, "explain", "--network", "n", "--segment", "1", "--user", "u")

        async def are_there() -> bool:
            text = (await visitor.get("audit?list=reads")).text
            return all(
                f'<td data-label="By">{via}</td>' in text for via in ("page", "http", "command")
            )

        await holds(are_there)
        text = (await visitor.get("audit?list=reads&kind=page&object=1")).text
        assert "/networks/{network_id}/segments/{segment_id}" in text
        assert "users/{user}/segments" not in text


async def test_a_network_sees_nothing_of_another(idle_api: Api) -> None:
    await make_segments(idle_api.settings, [("m", 7)])
    async with visiting(idle_api, Scope.REPORT, Scope.ADMIN, network="m") as other:
        await other.client.get("/admin/networks/m/segments/7")
        for path in ("audit", "audit?list=reads", "audit.csv"):
            assert (await other.get(path)).status_code == 403
    async with visiting(idle_api, Scope.REPORT, Scope.ADMIN) as visitor:
        text = (await visitor.get("audit")).text
        assert "segment created 1" in whats(text)
        assert "segment created 7" not in whats(text)
        for which in ("changes", "reads"):
            exported = (await visitor.get(f"audit.csv?list={which}")).text
            assert {row["network_id"] for row in csv.DictReader(exported.splitlines())} <= {"n"}


async def test_what_a_source_spoke_for_before_is_not_shown_to_the_one_network_that_is_left(
    idle_api: Api,
) -> None:
    settings = idle_api.settings
    async with connected(settings) as owner:
        for networks, statuses in ((["n", "rival"], None), (["n"], None), (["n"], ["add"])):
            await command_topics.allow(
                owner, settings, "crm", networks=networks, statuses=statuses, actor="ops"
            )
    async with visiting(idle_api, Scope.REPORT, Scope.ADMIN) as visitor:
        text = (await visitor.get("audit?kind=source")).text
        assert whats(text) == ["source allowed crm", "source allowed crm"]
        assert "rival" not in text + (await visitor.get("audit.csv?kind=source")).text
    found = await rows(
        settings,
        "SELECT before ->> 'networks' AS before FROM reporting.admin_event WHERE kind = 'source' ORDER BY number",
    )
    assert [row["before"] for row in found] == [None, None, '["n"]']


async def test_neither_a_header_nor_a_refused_form_keeps_a_look_out_of_the_record(
    idle_api: Api,
) -> None:
    refresh = {"HX-Request": "true"}
    async with visiting(idle_api) as visitor:
        for _ in range(3):
            assert (await visitor.get("segments/1", headers=refresh)).status_code == 200
        answer = await visitor.post("segments/1/user?user=jo", user_status="nonsense")
        assert (answer.status_code, "choose add, block or reset" in answer.text) == (400, True)
    segment = "/networks/{network_id}/segments/{segment_id}"

    async def are_recorded() -> bool:
        found = await rows(
            idle_api.settings,
            "SELECT route, segment_id, sum(reads)::integer AS reads FROM reporting.access_event GROUP BY 1, 2"
            " ORDER BY 1",
        )
        return [tuple(row.values()) for row in found] == [
            (segment, 1, 1),
            (f"{segment}/user", 1, 1),
        ]

    await holds(are_recorded)


async def test_what_was_done_to_lanes_is_shown_to_operators_alone(api: Api) -> None:
    await api.post({"user": "u", "segment_id": 1, "user_status": "add"})
    async with visiting(api) as operator, visiting(api, Scope.REPORT, Scope.ADMIN) as visitor:

        async def is_opened() -> bool:
            return "lane opened" in str(whats((await operator.get("audit?kind=lane")).text))

        await holds(is_opened)
        assert whats((await visitor.get("audit?kind=lane")).text) == []


async def test_the_trail_takes_scope_admin(idle_api: Api) -> None:
    async with visiting(idle_api, Scope.REPORT, Scope.PUBLISH) as visitor:
        for path in ("audit", "audit.csv"):
            answer = await visitor.get(path)
            assert answer.status_code == 403
            assert "scope admin" in answer.text


async def test_a_cell_that_looks_like_a_formula_is_made_a_text(idle_api: Api) -> None:
    for text in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1"):
        assert cell(text) == f"'{text}"
    assert (cell("a=1"), cell(7), cell(None)) == ("a=1", 7, None)
    key = await idle_api.key("n", name="=HYPERLINK(1)")
    assert key
    async with visiting(idle_api) as visitor:
        table = list(csv.DictReader((await visitor.get("audit.csv?kind=key")).text.splitlines()))
    assert {row["actor"] for row in table if row["change"] == "signed_in"} == {"'=HYPERLINK(1)"}
