"""Files imported on the dashboard: columns, errors by line, merge and replace, and going on after an interruption."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from segments.dashboard import import_plan, imports
from segments.dashboard.sessions import csrf_token
from service.registry.api_keys import Scope
from tests.dashboard.visitor import Visitor, visiting
from tests.support.command_line import run
from tests.support.database import connected, folded, make_segments, rows, value
from tests.support.kafka import NewRecord, publish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.http.client import Api

pytestmark = pytest.mark.stack
HEADING = "user,segment_id,user_status\n"
OVERRIDES = "SELECT user_id, override FROM reporting.override ORDER BY user_id"


async def upload(visitor: Visitor, text: str | bytes, name: str = "list.csv", **fields: str) -> str:
    """Upload a file, and return the path of its import."""
    content = text.encode() if isinstance(text, str) else text
    answer = await visitor.client.post(
        "/admin/networks/n/import",
        data={"csrf": csrf_token(visitor.token), "mode": "merge"} | fields,
        files={"file": (name, content)},
    )
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].removeprefix("/admin/networks/n/")


async def send(visitor: Visitor, path: str, **fields: Any) -> None:
    """Send an import whole, as the page does."""
    assert (await visitor.post(f"{path}/send", **fields)).status_code == 303
    for _ in range(100):
        await visitor.post(f"{path}/step")
        if "Sent.</strong>" in (await visitor.get(path)).text:
            return
    raise AssertionError(path)


def figures(text: str) -> dict[str, int]:
    return {
        name: int(count.replace(",", ""))
        for name, count in re.findall(r"<dt>([^<]+)</dt><dd>([\d,]+)</dd>", text)
    }


async def outcomes(visitor: Visitor, path: str) -> list[tuple[str, str]]:
    text = (await visitor.get(f"{path}/lines")).text
    return [(row["line"], row["outcome"]) for row in csv.DictReader(io.StringIO(text))]


async def test_a_file_is_matched_checked_sent_and_its_outcomes_are_downloaded(
    api: Api, sign_in: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "kunden.csv"
    file.write_text("E-Mail;Colour;Note\nAnn@x.com;red;VIP\nbob@x.com;;\n;blue;\n", "utf-8")
    async with sign_in() as person:
        page = person.page
        await page.get_by_role("link", name="Import").click()
        await page.get_by_label("A file").set_input_files(file)
        await page.get_by_label("Segment of lines").select_option("1")
        await page.get_by_label("Command of lines").select_option("add")
        assert await person.violations() == []
        await page.get_by_role("button", name="Check the lines").click()
        await person.sees("What is in each column?")
        assert await person.violations() == []
        await expect(page.get_by_label("e-mail")).to_have_value("user")
        await expect(page.get_by_label("note")).to_have_value("description")
        await page.get_by_role("button", name="Check the lines").click()
        await person.sees("Nothing is sent yet. 3 lines.")
        await expect(page.locator("#outcomes")).to_contain_text("Take effect2")
        await expect(page.locator(".faults")).to_contain_text("Line 4: ")
        assert await person.violations() == []
        await page.get_by_role("button", name="Send").click()
        await person.sees("Sent.")
        assert await person.violations() == []
        await folded(api.settings)
        async with page.expect_download() as started:
            await page.get_by_role("link", name="What became of each line").click()
        text = (await (await started.value).path()).read_text("utf-8")
        assert person.faults == []
    result = csv.DictReader(io.StringIO(text))
    shown = [(row["line"], row["outcome"], row["user_id"]) for row in result]
    assert shown == [
        ("2", "applied", "ann@x.com"), ("3", "applied", "bob@x.com"), ("4", "refused", ""),
    ]  # fmt: skip
    events = await rows(
        api.settings,
        "SELECT user_id, source, actor, description FROM reporting.event ORDER BY user_id",
    )
    assert [tuple(row.values()) for row in events] == [
        ("ann@x.com", "import", "ann@example.com", "VIP"), ("bob@x.com", "import", "ann@example.com", None),
    ]  # fmt: skip


async def test_what_no_column_says_is_asked_for(api: Api) -> None:
    async with visiting(api) as visitor:
        path = await upload(visitor, "email\nann@x.com\n")
        asked = (await visitor.get(path)).text
        assert 'name="segment_id"' in asked
        assert 'name="user_status"' in asked
        tried: tuple[tuple[dict[str, str], str], ...] = (
            ({}, "which column has the user"),
            ({"column:email": "user"}, "choose a segment"),
            ({"column:email": "user", "segment_id": "1"}, "choose a command"),
        )
        for given, wanted in tried:
            answer = await visitor.post(path, headers=None, **given)
            assert (answer.status_code, wanted in answer.text) == (400, True)
        fields = {"column:email": "user", "segment_id": "1", "user_status": "add"}
        assert (await visitor.post(path, headers=None, **fields)).status_code == 303
        assert figures((await visitor.get(path)).text)["Take effect"] == 1
        # A table of users alone is asked about, too.
        users = await upload(visitor, "user\nann@x.com\n")
        assert 'name="segment_id"' in (await visitor.get(users)).text
        chosen = await upload(visitor, "user\nann@x.com\n", segment_id="1", user_status="add")
        assert "Nothing is sent yet" in (await visitor.get(chosen)).text


async def test_nothing_is_sent_before_it_is_said_to_be(api: Api) -> None:
    async with visiting(api) as visitor:
        path = await upload(visitor, HEADING + "a,1,add\n")
        await visitor.post(f"{path}/step")
        assert "Nothing is sent yet" in (await visitor.get(path)).text
    assert await value(api.settings, "SELECT sum(next_offset) FROM segments.lane") in (0, None)


async def test_every_line_is_judged_as_if_the_ones_before_it_had_been_sent(api: Api) -> None:
    await make_segments(api.settings, [("n", 2)])
    lines = (
        "a,1,add", "a,1,add", "b,1,reset", "c,99,add", "d,1,enter", "e,x,add", "f,1,add,too many", "g,2,block",
    )  # fmt: skip
    async with visiting(api) as visitor:
        path = await upload(visitor, HEADING + "\n".join(lines))
        text = (await visitor.get(path)).text
    assert figures(text) == {"Take effect": 2, "Change nothing": 2, "Refused lines": 4}
    faults = re.findall(r"<strong>Line (\d)</strong>: <bdi>([^<]+)", text)
    assert [(line, reason.split()[0]) for line, reason in faults] == [
        ("5", "no"), ("6", "/user_status:"), ("7", "segment_id"), ("8", "has"),
    ]  # fmt: skip


async def test_an_import_that_stopped_goes_on_and_no_line_counts_twice(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "PER_STEP", 2)
    async with visiting(api) as visitor:
        path = await upload(visitor, HEADING + "".join(f"u{nth},1,add\n" for nth in range(5)))
        await visitor.post(f"{path}/send")
        await visitor.post(f"{path}/step")
        assert "Sent up to line 3" in (await visitor.get(path)).text
        # What a crash after sending and before noting leaves.
        async with connected(api.settings) as connection:
            await connection.execute("UPDATE segments.import SET sent_until = 0")
        assert "interrupted or on its way" in (await visitor.get("import")).text
        await send(visitor, path)
        await folded(api.settings)
        shown = await outcomes(visitor, path)
    assert shown == [
        ("2", "duplicate"), ("3", "duplicate"), ("4", "applied"), ("5", "applied"), ("6", "applied"),
    ]  # fmt: skip
    assert await value(api.settings, "SELECT count(*) FROM segments.event") == 5
    assert await value(api.settings, "SELECT content FROM segments.import") == b""


async def test_a_file_that_the_command_line_imported_counts_once(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(HEADING + "a,1,add\n", "utf-8")
    done = await run(api.settings, "import", str(file), "--network", "n")
    assert done.code == 0, done.err
    await folded(api.settings)
    async with visiting(api) as visitor:
        path = await upload(visitor, file.read_bytes())
        assert figures((await visitor.get(path)).text) == {"Sent before": 1, "Refused lines": 0}
        await send(visitor, path)
        await folded(api.settings)
        assert await outcomes(visitor, path) == [("2", "duplicate")]


async def test_replace_adds_what_is_missing_and_resets_what_is_gone(api: Api) -> None:
    await make_segments(api.settings, [("n", 2)])
    await publish(
        api.settings,
        [NewRecord(user=f"u{nth}", user_status="add") for nth in range(3)]
        + [NewRecord(user="other", user_status="block", segment_id=2)],
    )
    await folded(api.settings)
    text = "user\nu0\nu1\nnew\n"
    for _ in range(2):  # the same list counts again when the overrides have moved meanwhile
        async with visiting(api) as visitor:
            path = await upload(visitor, text, mode="replace", segment_id="1", user_status="add")
            shown = figures((await visitor.get(path)).text)
            assert shown == {
                "To add": 1, "To change": 0, "To reset": 1, "Kept": 2, "Take effect": 2, "Refused lines": 0,
            }  # fmt: skip
            # One of three is more than a tenth.
            refused = await visitor.post(f"{path}/send")
            assert (refused.status_code, "confirm that so many" in refused.text) == (400, True)
            await send(visitor, path, confirmed="true")
        await folded(api.settings)
        assert [tuple(row.values()) for row in await rows(api.settings, OVERRIDES)] == [
            ("new", "add"), ("other", "block"), ("u0", "add"), ("u1", "add"),
        ]  # fmt: skip
        await publish(
            api.settings,
            [NewRecord(user="u2", user_status="add"), NewRecord(user="new", user_status="reset")],
        )
        await folded(api.settings)


async def test_replacing_a_small_part_needs_no_second_confirmation(api: Api) -> None:
    users = [f"u{nth:02}" for nth in range(20)]
    await publish(api.settings, [NewRecord(user=user, user_status="block") for user in users])
    await folded(api.settings)
    lines = "".join(json.dumps({"user": user}) + "\n" for user in users[1:])
    async with visiting(api) as visitor:
        path = await upload(
            visitor, lines, "list.ndjson", mode="replace", segment_id="1", user_status="block"
        )
        await send(visitor, path)
    await folded(api.settings)
    assert await value(api.settings, "SELECT count(*) FROM reporting.override") == 19


async def test_a_list_with_a_fault_replaces_nothing(api: Api) -> None:
    await publish(api.settings, [NewRecord(user="a", user_status="add")])
    await folded(api.settings)
    for line in ("a,1,reset", "a,2,add", "a,1,add\na,1,add", ",1,add"):
        async with visiting(api) as visitor:
            path = await upload(visitor, HEADING + line, mode="replace", segment_id="1")
            assert "must be without fault" in (await visitor.get(path)).text
            await visitor.post(f"{path}/send", confirmed="true")
            await visitor.post(f"{path}/step")
    assert await value(api.settings, "SELECT count(*) FROM segments.event") == 1


async def test_a_file_that_is_none_of_commands_is_said_to_be(
    idle_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_plan, "MOST_LINES", 1)
    async with visiting(idle_api) as visitor:
        for content, fault in (
            ((HEADING + "a,1,add\n").encode("utf-16"), "UTF-16"),
            (b"user,user,segment_id,user_status\n", "duplicate names"),
            ((HEADING + "a,1,add\nb,1,add\n").encode(), "more than 1 lines"),
        ):
            path = await upload(visitor, content)
            assert fault in (await visitor.get(path)).text
            await visitor.post(f"{path}/send")
            assert "Go on" not in (await visitor.get(path)).text
        answer = await visitor.client.post(
            "/admin/networks/n/import",
            data={"csrf": csrf_token(visitor.token), "mode": "merge"},
            files={"file": ("empty.csv", b"")},
        )
        assert (answer.status_code, "not empty" in answer.text) == (400, True)


async def test_an_import_of_another_network_or_without_scope_is_nobodys(idle_api: Api) -> None:
    await make_segments(idle_api.settings, [("m", 1)])
    async with visiting(idle_api) as visitor:
        path = await upload(visitor, HEADING + "a,1,add\n")
    async with visiting(idle_api, Scope.REPORT, Scope.PUBLISH, network="m") as visitor:
        for place in (path, f"{path}/lines"):
            answer = await visitor.client.get(f"/admin/networks/m/{place}")
            assert answer.status_code == 404
    async with visiting(idle_api, Scope.REPORT) as visitor:
        assert (await visitor.post(f"{path}/send")).status_code == 403
        assert "A file:" not in (await visitor.get("import")).text


async def test_a_file_is_kept_for_a_day(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        old = await upload(visitor, HEADING + "a,1,add\n")
        async with connected(idle_api.settings) as connection:
            await connection.execute(
                "UPDATE segments.import SET created_at = created_at - interval '25 hours'"
            )
        await upload(visitor, HEADING + "b,1,add\n")
        assert (await visitor.get(old)).status_code == 404


BEFORE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("pinned", "add", {"expires_at": 4_000_000_000}), ("blocked", "block", {}), ("member", "enter", {}),
    ("left since", "enter", {}),
)  # fmt: skip


async def test_an_undo_puts_everybody_back_but_whom_others_have_changed(
    api: Api, sign_in: Callable[..., Any], tmp_path: Path
) -> None:
    await publish(
        api.settings,
        [
            NewRecord(user=user, segment_id=1, user_status=status, **more)
            for user, status, more in BEFORE
        ],
    )
    await folded(api.settings)
    states = "SELECT user_id, is_member, override FROM reporting.user_segment ORDER BY user_id"
    before = await rows(api.settings, states)
    lapses = "SELECT expires_at FROM reporting.override WHERE user_id = 'pinned'"
    expiry = await value(api.settings, lapses)
    users = ("new", "pinned", "blocked", "member", "left since", "touched")
    file = tmp_path / "fair.csv"
    file.write_text(
        HEADING + "".join(f"{user},1,{'block' if user == 'member' else 'add'}\n" for user in users)
    )
    async with sign_in() as person:
        page = person.page
        await page.get_by_role("link", name="Import").click()
        await page.get_by_label("A file").set_input_files(file)
        await page.get_by_role("button", name="Check the lines").click()
        await page.get_by_role("button", name="Send").click()
        await person.sees("Sent.")
        await folded(api.settings)
        await publish(
            api.settings,
            [
                NewRecord(user="touched", segment_id=1, user_status="block"),
                NewRecord(user="left since", segment_id=1, user_status="leave"),
            ],
        )
        await folded(api.settings)
        await page.get_by_role("button", name="Undo this import").click()
        await expect(page.locator(".figures").first).to_contain_text("To put back5")
        await expect(page.locator(".figures").first).to_contain_text("Changed since1")
        assert await person.violations() == []
        await page.get_by_role("button", name="Undo now").click()
        await person.sees("Undone.")
        assert await person.violations() == []
        await folded(api.settings)
        after = {
            row["user_id"]: (row["is_member"], row["override"])
            for row in await rows(api.settings, states)
        }
        assert after.pop("touched") == (False, "block")
        assert after.pop("new") == (False, None)
        assert after.pop("left since") == (False, None)
        wanted = {row["user_id"]: (row["is_member"], row["override"]) for row in before}
        del wanted["left since"]
        assert after == wanted
        assert await value(api.settings, lapses) == expiry
        # An undo is undone like any import.
        await page.get_by_role("button", name="Undo this import").click()
        await page.get_by_role("button", name="Undo now").click()
        await person.sees("Undone.")
        await folded(api.settings)
        again = {
            row["user_id"]: (row["is_member"], row["override"])
            for row in await rows(api.settings, states)
        }
        assert again["new"] == (True, "add")
        assert again["member"] == (False, "block")
        assert person.faults == []


async def test_an_undo_waits_for_every_command(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        path = await upload(visitor, HEADING + "a,1,add\n")
        unsent = await visitor.post(f"{path}/undo")
        assert unsent.headers["location"].endswith(path)
        await send(visitor, path)
        assert "not applied yet" in (await visitor.post(f"{path}/undo")).text


async def test_a_line_that_was_sent_twice_is_undone(api: Api) -> None:
    """Its noted position is then that of the duplicate."""
    at = int(time.time()) - 60
    async with visiting(api) as visitor:
        heading = "user,segment_id,user_status,status_change_timestamp,reference_id\n"
        path = await upload(visitor, f"{heading}a,1,add,{at},r\n")
        await send(visitor, path)
        again = NewRecord(
            user="a", segment_id=1, user_status="add", status_change_timestamp=at, reference_id="r"
        )
        await publish(api.settings, [again])
        await folded(api.settings)
        async with connected(api.settings) as connection:
            noted = await connection.execute(
                "UPDATE segments.import_line AS i SET partition = l.partition, kafka_offset = d.kafka_offset"
                " FROM segments.duplicate AS d INNER JOIN segments.lane AS l ON d.lane_id = l.lane_id"
            )
        assert noted == "UPDATE 1"
        plan = (await visitor.post(f"{path}/undo")).headers["location"]
        text = (await visitor.get(plan.removeprefix("/admin/networks/n/"))).text
        assert figures(text)["To put back"] == 1


async def test_an_import_that_changed_nothing_has_no_undo(api: Api) -> None:
    async with visiting(api) as visitor:
        path = await upload(visitor, HEADING + "a,1,reset\n")
        await send(visitor, path)
        await folded(api.settings)
        assert "nothing to undo" in (await visitor.post(f"{path}/undo")).text
    async with visiting(api, Scope.REPORT) as visitor:
        assert (await visitor.post(f"{path}/undo")).status_code == 403
