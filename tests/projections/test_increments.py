"""An increment by last_recorded_at has the rows of the views, and costs what was recorded in that time."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from service.registry import analysts
from tests.docs.pages import blocks, read
from tests.docs.questions import QUESTIONS, read_queries
from tests.projections.folding import fold, log
from tests.projections.logged import LANES, moment, put
from tests.projections.test_history import drawn_histories, fold_by_pieces, steps_of
from tests.projections.test_snapshot import PEOPLE
from tests.registry.networks import analyst, logged_in
from tests.support.database import connected, value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
KEYS = 30_000
CHANGED = 10
FROM, UNTIL = "2025-06-06 16:00+00", "2025-06-06 17:00+00"
_INCREMENT = """
SELECT network_id, segment_id, user_id, is_member, override, last_recorded_at
FROM reporting.changed_keys($1, $2, $3)
"""


async def test_an_increment_has_the_keys_whose_newest_projected_event_was_recorded_in_that_time(
    database: Settings,
) -> None:
    """Of histories that the oracle folds, in any part of the lanes that is projected."""
    histories = drawn_histories(150)
    rng = random.Random(8)  # noqa: S311 - the same each time
    async with connected(database) as connection:
        await put(connection, histories)
        await connection.execute(PEOPLE, len(histories))
        lanes = await connection.fetch(
            "SELECT lane_id, topic, partition, epoch, next_offset FROM segments.lane"
        )
        numbers = {row["lane_id"]: LANES.index(tuple(row)[1:4]) for row in lanes}
        for share in (0.3, 0.7, 1.0):
            ends = {row["lane_id"]: round(share * row["next_offset"]) for row in lanes}
            await connection.execute("DELETE FROM projections.membership")
            for table in ("past_interval", "outcome", "size", "size_daily", "kept_state"):
                await connection.execute(f"DELETE FROM projections.{table}")
            await fold_by_pieces(connection, rng, ends)
            below = {numbers[lane]: end for lane, end in ends.items()}
            rows = []
            for key, history in enumerate(histories):
                events = [event for event in history if event.offset < below[event.lane]]
                if events:
                    state = steps_of(events)[-1].after
                    segment = 1 + key % 3
                    rows.append(
                        (f"n{segment // 3}", segment, f"u{1 + key // 3}", state.is_member, state.override,
                         max(event.recorded for event in events))
                    )  # fmt: skip
            last = max(row[-1] for row in rows)
            await connection.execute("ANALYZE projections.membership")
            for nth in range(
                60
            ):  # of few events, which are looked up, and of many, for which the view is read
                first = rng.randrange(-5, last + 5)
                until = first + rng.randrange(10 if nth % 2 else last)
                network = rng.choice([None, "n0", "n1"])
                found = await connection.fetch(_INCREMENT, moment(first), moment(until), network)
                assert sorted(map(tuple, found)) == sorted(
                    (*row[:-1], moment(row[-1]))
                    for row in rows
                    if first <= row[-1] < until and network in (None, row[0])
                )
            found = await connection.fetch(
                "SELECT * FROM reporting.changed_keys('-infinity') EXCEPT SELECT * FROM reporting.user_segment"
            )
            assert found == []
            assert await connection.fetchval(
                "SELECT count(*) FROM reporting.changed_keys('-infinity')"
            ) == len(rows)


async def blocks_read(connection: asyncpg.Connection[Any], query: str) -> tuple[int, int]:
    """Run a query twice; return the blocks of tables and indexes that the second run reads, and its rows."""
    for _ in range(2):
        (row,) = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}")
    plan = json.loads(row[0])[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], plan["Actual Rows"]


def increments() -> dict[str, str]:
    """The queries of the documentation, by what they are of."""
    question = read_queries(QUESTIONS)["What changed since the last extraction?"]
    found = {"the question": question}
    for block in blocks(read("docs/analysts/extract.md"), "sql"):
        if "changed_keys" in block:
            found[block.split("\n")[0]] = block
    assert len(found) > 4
    return found


async def test_an_increment_reads_what_was_recorded_in_that_time_and_its_keys(
    database: Settings,
) -> None:
    """Of each view that the documentation extracts, in both schemas, however many keys there are beside."""
    async with log(database, 2, segments=[("acme", 1), ("acme", 2), ("other", 1)]) as lanes:
        for first in range(0, KEYS, 1000):
            await lanes[first // 1000 % 2].append(*(
                command_json(network_id="acme", user=f"u{number}", segment_id=1 + number % 2, reference_id=f"{number}")
                for number in range(first, first + 1000)
            ))  # fmt: skip
        await fold(database)
        recorded_from: datetime = await value(database, "SELECT clock_timestamp()")
        for lane, network in zip(lanes, ("acme", "other"), strict=True):
            await lane.append(*(
                command_json(
                    network_id=network, user=f"u{number}", segment_id=1, reference_id=f"again {number}",
                    user_status=("block", "add")[number // 2 % 2],
                )
                for number in range(0, 2 * CHANGED, 2)
            ))  # fmt: skip
        await fold(database)
    recorded_until: datetime = await value(database, "SELECT clock_timestamp()")
    async with connected(database) as owner, analyst(owner) as ann:
        await analysts.grant(database, ann, "acme")
        await owner.execute("VACUUM ANALYZE")
        async with (
            connected(database, "segments_report") as connection,
            logged_in(database, ann) as restricted,
        ):
            for what, query in increments().items():
                asked = query
                for said, at in ((FROM, recorded_from), (UNTIL, recorded_until)):
                    assert said in query, what
                    asked = asked.replace(said, at.isoformat())
                for schema, reader in (("reporting.", connection), ("", restricted)):
                    await reader.execute("SET jit = off")
                    read, found = await blocks_read(reader, asked.replace("reporting.", schema))
                    assert found >= CHANGED, (what, schema)
                    assert read < 100 * CHANGED, (what, schema, read)
            by_view, _ = await blocks_read(
                connection,
                f"SELECT * FROM reporting.membership WHERE last_recorded_at >= '{recorded_from.isoformat()}'",
            )
            assert by_view > 100 * CHANGED
