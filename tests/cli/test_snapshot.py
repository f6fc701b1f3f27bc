"""`status`, `as-of` and `retroactive`: what was shown then, and what changed since."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.projections.folding import fold, log
from tests.support.cases import cases
from tests.support.command_line import run
from tests.support.database import value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
DAY = 86_400
NOON = 1_700_049_600  # noon of 15 November 2023


async def test_as_of_prints_states_as_table_json_and_csv(database: Settings) -> None:
    async with log(database) as (lane,):
        await lane.append(command_json(user="a@x", status_change_timestamp=NOON))
        await fold(database)
        token = (await run(database, "status", "--json")).json["snapshot"]
        assert f"\nsnapshot: {token}\n" in (await run(database, "status")).out
        known = (await value(database, "SELECT recorded_at FROM segments.lane")).isoformat()
        await lane.append(
            command_json(user="a@x", user_status="block", status_change_timestamp=NOON + DAY),
            command_json(user="b", segment_id=2),
        )
        await fold(database)
    row = {
        "network_id": "n",
        "segment_id": 1,
        "user_id": "a@x",
        "is_member": True,
        "override": "add",
    }
    one = ("--network", "n", "--segment", "1", "--user", " A@X")
    shown = (await run(database, "as-of", "--snapshot", token, "--json")).json
    assert shown == {"snapshot": token, "memberships": [row]}
    then = (await run(database, "as-of", "--at", str(NOON), *one, "--json")).json
    assert then["memberships"] == [row]
    assert then["snapshot"] not in (None, token)
    known_then = (await run(database, "as-of", "--known-at", known, "--json")).json
    assert known_then == {"snapshot": None, "memberships": [row]}
    now = await run(database, "as-of", "--csv", *one)
    assert list(csv.reader(io.StringIO(now.out))) == [
        ["network_id", "segment_id", "user_id", "is_member", "override"],
        ["n", "1", "a@x", "false", "block"],
    ]
    assert len((await run(database, "as-of", "--json")).json["memberships"]) == 2
    table = (await run(database, "as-of", "--snapshot", token)).out
    assert "a@x" in table
    assert "override" in table
    assert (await run(database, "as-of", "--network", "n", "--user", "nobody")).out == "(none)\n"


@cases(
    ("arguments", "code", "message"),
    [
        (["as-of", "--snapshot", "s1nothing"], 1, "is no snapshot"),
        (["as-of", "--snapshot", "s1nothing", "--known-at", "1700000000"], 2, "can't be combined"),
        (["as-of", "--at", "yesterday"], 2, "must be a time"),
        (["as-of", "--csv", "--json"], 2, "can't be combined"),
        (["retroactive", "--since", "yesterday"], 1, "is no snapshot"),
        (["retroactive"], 2, "--since"),
    ],
)
async def test_what_does_not_fit_is_named(
    database: Settings, arguments: list[str], code: int, message: str
) -> None:
    result = await run(database, *arguments)
    assert result.code == code
    assert message in result.err


async def test_retroactive_says_in_words_why_a_day_moved_and_who_sent_it(
    database: Settings,
) -> None:
    async with log(database) as (lane,):
        await lane.append(
            *(
                command_json(user=f"u{n}", user_status="enter", status_change_timestamp=NOON)
                for n in range(5)
            ),
            *(
                command_json(
                    user=f"v{n}", user_status="enter", status_change_timestamp=NOON + n * DAY
                )
                for n in range(2, 5)
            ),
        )
        await fold(database)
        token = (await run(database, "status", "--json")).json["snapshot"]
        since = await value(
            database, "SELECT max(recorded_at) + interval '1 us' FROM segments.lane"
        )
        await lane.append(
            *(
                command_json(user=f"u{n}", user_status="leave", status_change_timestamp=NOON + DAY)
                for n in range(3)
            ),
            command_json(user="v3", user_status="add", status_change_timestamp=NOON),
            command_json(user="w", user_status="enter", status_change_timestamp=NOON + 5 * DAY),
        )
        await fold(database)
        later = (await run(database, "status", "--json")).json["snapshot"]
        await lane.append(
            command_json(user="u4", user_status="leave", status_change_timestamp=NOON + DAY)
        )
        await fold(database)
    today = datetime.now(UTC)
    sent = f"from topic {database.topic_prefix}.commands, recorded on {today.day} {today:%B}"
    carried = "with what moved earlier days"
    wanted = f"""segment 1 of network n
  15 November 2023 moved from 5 to 6: one `add` event {sent}
  16 November 2023 moved from 5 to 3: three `leave` events {sent}, and +1 {carried}
  17 November 2023 moved by -2 {carried}
  18 November 2023 moved from 7 to 4: one `add` event {sent}, and -2 {carried}
  19 November 2023 moved by -3 {carried}
1 later day came since
snapshot: {later}
"""
    for first in (token, since.isoformat()):
        result = await run(database, "retroactive", "--since", first, "--until", later)
        assert (result.code, result.err) == (0, "")
        assert result.out == wanted
    listed = (
        await run(
            database, "retroactive", "--since", token, "--until", later, "--network", "n", "--json"
        )
    ).json
    assert listed["new_days"] == 1
    assert [(day["day"], day["members_before"], day["members_after"]) for day in listed["days"]] == [
        ("2023-11-15", 5, 6), ("2023-11-16", 5, 3), ("2023-11-17", 6, 4), ("2023-11-18", 7, 4), ("2023-11-19", 8, 5),
    ]  # fmt: skip
    assert listed["days"][1]["causes"][0]["events"] == 3
    now = (await run(database, "retroactive", "--since", token, "--segment", "1", "--json")).json
    assert now["days"][1]["causes"][0]["events"] == 4
    assert (await run(database, "retroactive", "--since", now["until"])).out.startswith(
        "no day moved\n"
    )
