"""The queries of the questions page give what plain Python works out from the same commands."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs import answers
from tests.docs.questions import QUESTIONS, read_queries
from tests.log.test_signed_headers import signed
from tests.oracle import Model, Record
from tests.projections.folding import fold, log
from tests.support.database import connected, rows
from tests.support.lane import Given, command_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from service.runtime.settings import Settings
    from tests.docs.answers import Answer
    from tests.support.lane import LogLane

SEGMENTS = [("acme", 1), ("acme", 2), ("acme", 3), ("other", 1)]
USERS = ["jo@example.com", *(f"C-{number}" for number in range(60))]
BEGAN = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())
DAY = 86_400
REPORT = "What did last Friday's report show?"
INCREMENT = "What changed since the last extraction?"


def one_command(rng: random.Random, received: int) -> bytes:
    """Draw a command: some late by weeks, some without a time, ties within a second, and some that are refused."""
    late = rng.choice([0, 0, 5, 5, 60, 3600, rng.randrange(30 * DAY)])
    fields: dict[str, Any] = {
        "network_id": "acme" if rng.random() < 0.9 else "other",
        "segment_id": rng.choices([1, 2, 3, 99], [60, 20, 18, 2])[0],
        "user": rng.choice(USERS),
        "user_status": rng.choices(["enter", "leave", "add", "block", "reset"], [6, 4, 2, 1, 2])[0],
        "status_change_timestamp": max(BEGAN, received - late) // 60 * 60
        if rng.random() < 0.9
        else ...,
        "reference_id": rng.choice(
            ["spring", "spring", "autumn", f"once-{rng.getrandbits(30)}", ...]
        ),
        "description": rng.choice(["vip", "asked by phone", ...]),
    }
    if fields["network_id"] == "other":
        fields["segment_id"] = 1
    if fields["user_status"] == "add" and rng.random() < 0.3:
        fields["expires_at"] = BEGAN + 2000 * DAY
    return command_json(**fields)


def commands(rng: random.Random, count: int, first: int, last: int) -> Iterator[tuple[int, bytes]]:
    """Draw commands by their receipt, in Unix seconds; one of ten repeats an earlier one."""
    said: list[bytes] = []
    for received in sorted(rng.randrange(first, last) for _ in range(count)):
        said.append(rng.choice(said) if said and rng.random() < 0.1 else one_command(rng, received))
        yield received, said[-1]


async def append(
    lane: LogLane, model: Model, sent: Sequence[tuple[int, bytes]], rng: random.Random
) -> None:
    """Append commands to a lane of the log, and to the oracle; a third of them are signed."""
    given = []
    for place, (received, value) in enumerate(sent):
        headers: list[tuple[str, bytes | None]] = []
        key = None
        if rng.random() < 0.3:
            source, actor = rng.choice([("http", "ann"), ("cli", "ben"), ("http", None)])
            _, headers, key = signed(lane, value, source=source, actor=actor, at=received)
        given.append(Given(lane.next_offset + place, received * 1000, key, value, headers))
    await lane.store(await lane.prepare_records(given))
    (row,) = await rows(
        lane.settings, "SELECT recorded_at FROM segments.lane WHERE lane_id = $1", lane.lane_id
    )
    for record in given:
        model.append(
            Record(
                lane.lane.topic, lane.lane.partition, 0, record.offset, record.timestamp, record.value, record.key,
                tuple(record.headers),
            ),
            row["recorded_at"],
        )  # fmt: skip


def comparable(found: Answer) -> Answer:
    """Leave out names of the registry and which reference was generated, and round what is not whole."""
    return [
        {name: _plain(value) for name, value in row.items() if name not in {"segment_name", "network_id"}}
        for row in found
    ]  # fmt: skip


def _plain(value: object) -> object:
    if isinstance(value, Decimal | float):
        return round(float(value), 6)
    return "auto:*" if isinstance(value, str) and value.startswith("auto:") else value


@pytest.mark.stack
async def test_each_question_is_answered_as_the_commands_say(database: Settings) -> None:
    rng = random.Random(4)  # noqa: S311 - the same each time
    model = Model(
        dict.fromkeys(SEGMENTS, False),
        accepts=lambda record: record.header("segments-signature") is not None,
    )
    questions = read_queries(QUESTIONS)
    moments: list[datetime] = []
    async with log(database, lanes=2, segments=SEGMENTS) as lanes:
        # What came by Friday's report; what came by the extraction before it; what came after both.
        for first, last, count in ((0, 150, 1500), (150, 160, 60), (160, 175, 90)):
            said = list(commands(rng, count, BEGAN + first * DAY, BEGAN + last * DAY))
            for place, lane in enumerate(lanes):
                await append(lane, model, said[place::2], rng)
            (row,) = await rows(database, "SELECT max(recorded_at) AS at FROM segments.lane")
            moments.append(row["at"] + timedelta(microseconds=1))
        await fold(database)
    printed, extracted, until = moments
    wanted = {question: answer(model) for question, answer in answers.ANSWERS.items()} | {
        REPORT: answers.report_shown(model, printed),
        INCREMENT: answers.increment(model, extracted, until),
    }
    assert wanted.keys() == questions.keys()
    asked = questions | {
        REPORT: questions[REPORT].replace("2025-06-06 16:00+00", printed.isoformat()),
        INCREMENT: questions[INCREMENT]
        .replace("2025-06-06 16:00+00", extracted.isoformat())
        .replace("2025-06-06 17:00+00", until.isoformat()),
    }
    async with connected(database, "segments_report") as connection:
        for question, query in asked.items():
            found = [dict(row) for row in await connection.fetch(query)]
            assert len(found) > 0, question
            assert comparable(found) == comparable(wanted[question]), question
