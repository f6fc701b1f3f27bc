"""How many queries a page takes, and lists that are longer than a page."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from segments.dashboard import segment, segment_list, user
from service.http.kit.database import SharedDatabase
from tests.dashboard.visitor import next_page, visiting
from tests.support.database import folded, make_segments, rows
from tests.support.kafka import NewRecord, publish

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.http.client import Api

pytestmark = pytest.mark.stack
MOST_QUERIES = 5
PAGES = (
    "segments",
    "segments/1",
    "segments/1?list=overrides",
    "segments/1?list=disagreements",
    "segments/1?list=activity",
    "segments/1?chart=causes&tz=Europe/Berlin",
    "segments/1?tz=Europe/Berlin",
    "segments/1/chart?tz=Europe/Berlin",
    "segments/1?list=readers&from=2026-01-01&to=2026-02-01",
    "segments/1/moved?day=2026-01-01",
    "import",
    "erasure?user=u",
    "segments/1/definition",
    "user?user=u",
    "segments/1/user?user=u",
    "reach",
    "audit",
    "audit?list=reads",
    "rejected",
    "rejected?reason=not_json&topic=t",
    "../../networks",
    "../../operations",
    "../../operations/tasks",
)


class _Listening:
    """A connection whose queries are noted."""

    def __init__(self, connection: Any, asked: list[str]) -> None:
        self._connection = connection
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        original = getattr(self._connection, name)

        def call(query: str, *arguments: Any, **options: Any) -> Any:
            self._asked.append(query)
            return original(query, *arguments, **options)

        return call if name in ("fetch", "fetchrow", "fetchval", "cursor", "execute") else original


async def test_a_page_takes_few_queries(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.post({"user": "u", "segment_id": 1, "user_status": "add"})
    await folded(api.settings)
    asked: list[str] = []
    transaction = SharedDatabase.transaction

    @asynccontextmanager
    async def listening(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
        async with transaction(*arguments, **options) as connection:
            yield _Listening(connection, asked)

    async with visiting(api) as visitor:
        monkeypatch.setattr(SharedDatabase, "transaction", listening)
        for path in PAGES:
            asked.clear()
            assert (await visitor.get(path)).status_code == 200
            assert 1 <= len(asked) <= MOST_QUERIES, path


async def test_segments_are_searched_sorted_filtered_and_paged_by_the_url(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_list, "PER_PAGE", 2)
    await make_segments(api.settings, [("n", 2), ("n", 3), ("n", 10), ("m", 4)])
    await publish(
        api.settings,
        [NewRecord(user=f"u{nth}", segment_id=3) for nth in range(3)]
        + [NewRecord(segment_id=2), NewRecord(segment_id=10, user_status="block")],
    )
    await folded(api.settings)
    async with visiting(api) as visitor:
        assert (await visitor.post("segments/2/archived", archived="true")).status_code == 303

        async def shown(query: str) -> list[int]:
            return [
                int(one)
                for one in re.findall(
                    r'<tr id="segment-(\d+)"', (await visitor.get(f"segments?{query}")).text
                )
            ]

        assert await shown("") == [1, 3]
        assert await shown("page=2") == [10]
        assert await shown("page=3") == []
        assert await shown("sort=-id") == [10, 3]
        assert await shown("sort=-members") == [3, 1]
        assert await shown("sort=-blocked") == [10, 1]
        assert await shown("sort=name") == [1, 10]
        assert await shown("sort=-name") == [3, 10]
        assert await shown("show=archived") == [2]
        assert await shown("show=all&sort=-pinned") == [3, 2]
        assert await shown("q=SEGMENT+1") == [1, 10]
        assert await shown("q=10") == [10]
        assert await shown("show=hidden") == []
        following = (await visitor.get("segments?q=segment&sort=-id&show=all")).text
        assert "segments?q=segment&amp;show=all&amp;sort=-id&amp;page=2" in following


async def test_members_and_overrides_are_paged_without_gap_or_overlap(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "PER_PAGE", 3)
    await publish(
        api.settings,
        [NewRecord(user=f"u{nth}", user_status="block" if nth % 2 else "add") for nth in range(14)],
    )
    await folded(api.settings)
    async with visiting(api) as visitor:
        for which, count in (("members", 7), ("overrides", 14)):
            users: list[str] = []
            path = f"segments/1?list={which}"
            while path:
                text = (await visitor.get(path)).text
                page = re.findall(r'<th scope="row"><a [^>]*><bdi>(\w+)</bdi>', text)
                assert len(page) <= 3
                users += page
                path = next_page(text)
            assert len(users) == len(set(users)) == count, which


async def test_the_sizes_of_a_segment_are_those_of_the_calendar(api: Api) -> None:
    day = 86_400
    await publish(
        api.settings,
        [NewRecord(user=f"u{nth}", user_status=status, status_change_timestamp=1767225600 + at * day)
         for nth, (status, at) in enumerate([("enter", 0), ("enter", 0), ("enter", 3), ("enter", 40)])]
        + [NewRecord(user="u0", user_status="leave", status_change_timestamp=1767225600 + 9 * day)],
    )  # fmt: skip
    await folded(api.settings)
    wanted = await rows(
        api.settings,
        "SELECT date_trunc('month', day::timestamp)::date AS month, sum(members_joined) AS joined,"
        " sum(members_left) AS departed, (array_agg(members ORDER BY day DESC))[1] AS members"
        " FROM reporting.segment_size_calendar GROUP BY 1 ORDER BY 1 DESC",
    )
    async with visiting(api) as visitor:
        text = (await visitor.get("segments/1?range=all")).text
    found = re.findall(
        r'<th scope="row">(\S+)</th>' + 3 * r'<td class="number">(\d+)</td>',
        text,
    )
    assert found == [
        (str(row["month"]), str(row["members"]), str(row["joined"]), str(row["departed"]))
        for row in wanted
    ]


async def test_the_events_of_a_user_are_paged(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user, "EVENTS", 2)
    await publish(
        api.settings,
        [
            NewRecord(
                user_status=status, status_change_timestamp=1767225600 + nth, reference_id=f"r{nth}"
            )
            for nth, status in enumerate(["add", "block", "reset", "add", "block"])
        ],
    )
    await folded(api.settings)
    async with visiting(api) as visitor:
        references: list[str] = []
        path = "segments/1/user?user=u"
        while path:
            text = (await visitor.get(path)).text
            references += re.findall(r'<bdi class="clip">(r\d)</bdi>', text)
            path = next_page(text)
    assert references == ["r4", "r3", "r2", "r1", "r0"]
