"""Files that are made to be costly: what they cost is bounded, and not at the expense of others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from segments.dashboard import import_plan
from segments.importing.files import ImportFile
from segments.importing.table import Table
from service.registry.api_keys import Scope
from tests.dashboard.test_import import HEADING, figures, outcomes, send, upload
from tests.dashboard.visitor import visiting
from tests.support.database import connected, folded, until
from tests.support.kafka import NewRecord, publish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from segments.importing.files import Line
    from tests.http.client import Api

pytestmark = pytest.mark.stack


def heading(count: int) -> str:
    return ",".join(f"c{nth}" for nth in range(count)) + "\n"


async def test_no_more_columns_are_to_be_matched_than_a_form_can_have(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        most = import_plan.MOST_MATCHED
        for text, offered in (
            (heading(most), most), (heading(most + 1), 0), ("a," * 10_000 + "a\n", 1), ("a,b\n" * 2, 2),
        ):  # fmt: skip
            path = await upload(visitor, text, segment_id="1", user_status="add")
            page = (await visitor.get(path)).text
            assert page.count("<select") == offered
            assert ("are not fields of a command" in page) == (offered == 0)
        columns: dict[str, Any] = {f"column:c{nth}": "" for nth in range(most)} | {
            "column:c0": "user"
        }
        path = await upload(
            visitor, heading(most) + "u" + "," * (most - 1), segment_id="1", user_status="add"
        )
        assert (await visitor.post(path, **columns)).status_code == 303
        assert "Nothing is sent yet. 1 line." in (await visitor.get(path)).text


def test_names_are_quoted_in_part_and_few_empty_rows_are_searched_for_them(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(",".join(f"{nth}{'x' * 1000}" for nth in (*range(50), *range(50))), "utf-8")
    fault = Table(path).fault(())
    assert fault is not None
    assert len(fault) < 5000
    for count, found in ((1000, None), (1001, "empty rows")):
        path.write_text("\n" * count + HEADING, "utf-8")
        fault = Table(path).fault({"network_id"})
        assert fault is None if found is None else found in str(fault)


async def test_no_more_lines_are_read_than_a_file_may_have(
    idle_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_plan, "MOST_LINES", 3)
    read = ImportFile.lines
    count = 0

    def counted(file: ImportFile, after: int) -> Iterator[Line]:
        nonlocal count
        for line in read(file, after):
            count += 1
            yield line

    monkeypatch.setattr(ImportFile, "lines", counted)
    async with visiting(idle_api) as visitor:
        path = await upload(visitor, HEADING + "a,1,add\n" * 100)
        assert "more than 3 lines" in (await visitor.get(path)).text
    assert count == 4


async def test_files_are_read_beside_the_event_loop_and_not_to_show_a_page(
    idle_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = ImportFile.__init__
    threads: list[int] = []

    def noted(file: ImportFile, *given: Any) -> None:
        threads.append(threading.get_ident())
        begin(file, *given)

    monkeypatch.setattr(ImportFile, "__init__", noted)
    async with visiting(idle_api) as visitor:
        path = await upload(visitor, "who\nu\n", segment_id="1", user_status="add")
        uploaded = len(threads)
        await visitor.get(path)
        assert len(threads) == uploaded > 0
        columns: dict[str, Any] = {"column:who": "user"}
        await visitor.post(path, **columns)
        checked = len(threads)
        await send(visitor, path)
        assert len(threads) > checked > uploaded
    assert threading.get_ident() not in threads


async def test_a_standing_add_that_lapses_is_changed_to_one_for_good(api: Api) -> None:
    lapses = 4_000_000_000
    await publish(
        api.settings,
        [NewRecord(user=user, user_status="add", expires_at=lapses) for user in ("a", "b")],
    )
    await folded(api.settings)
    text = f"user,segment_id,user_status,expires_at\na,1,add,\nb,1,add,{lapses}\n"
    async with visiting(api) as visitor:
        path = await upload(visitor, text, mode="replace", segment_id="1")
        shown = figures((await visitor.get(path)).text)
    assert (shown["To change"], shown["Kept"], shown["Take effect"]) == (1, 1, 1)


async def test_a_line_at_the_position_of_another_networks_record_tells_nothing_of_it(
    api: Api,
) -> None:
    await publish(api.settings, [NewRecord(user="theirs", network_id="m", segment_id=7)])
    await until(api.settings, "SELECT count(*) = 1 FROM reporting.rejected WHERE network_id = 'm'")
    async with visiting(api) as visitor:
        path = await upload(visitor, HEADING + "a,1,add\n")
        await send(visitor, path)
        await folded(api.settings)
        assert await outcomes(visitor, path) == [("2", "applied")]
        async with connected(api.settings) as connection:
            await connection.execute(
                "UPDATE segments.import_line SET (topic, partition, kafka_offset) ="
                " (SELECT kafka_topic, kafka_partition, kafka_offset FROM reporting.rejected WHERE network_id = 'm')"
            )
        told = (await visitor.get(f"{path}/lines")).text
    assert told.splitlines()[1].startswith("2,queued,,,")


async def test_who_may_not_publish_sees_an_import_and_no_form_that_goes_on(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        path = await upload(visitor, HEADING + "a,1,add\n")
        await visitor.post(f"{path}/send")
        assert "Go on" in (await visitor.get(path)).text
    async with visiting(idle_api, Scope.REPORT) as visitor:
        text = (await visitor.get(path)).text
    assert ("Sent up to line" in text, "hx-post" in text) == (True, False)
