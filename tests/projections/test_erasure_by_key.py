"""Erasure reaches refused records that name a person by their key alone, and single ones that name nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from projections.fold.worker import project
from schemas.command.refusal import Reason, Refusal
from service.ingest.role import ingest
from tests.docs.pages import blocks, read
from tests.projections.folding import log
from tests.projections.test_erasure import found_in
from tests.support.accounts import outcomes
from tests.support.database import connected, erase, folded, rows, sound, value
from tests.support.kafka import NewRecord, publish
from tests.support.lane import Given, command_json
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
USER = "erase.me@ex.com"
KEY = f"neta:{USER}".encode()
BY_USER = command_json(network_id="neta", user=USER)
# What is refused although its key is in order: no user can be read of any of these values.
UNREADABLE: list[tuple[str, bytes | None]] = [
    ("tombstone", None),
    ("not_json", BY_USER[:-5]),
    ("not_json", b"\xef\xbb\xbf" + BY_USER),
    ("not_json", command_json(network_id="neta", user=USER, metadata={"x": float("nan")})),
    ("too_large", command_json(network_id="neta", user=USER, description="d" * 65_536)),
    ("invalid_field", command_json(network_id=5, user=USER)),
    ("invalid_field", command_json(network_id="neta", user=[USER])),
    ("invalid_field", command_json(network_id="neta", user=USER + "\0")),
    ("invalid_field", command_json(network_id="other", user={"mail": USER})),
]
# Whose each key is, as (network_id, user).
OWNERS: list[tuple[bytes | None, tuple[str, str] | None]] = [
    (b"n:ann", ("n", "ann")),
    (b"n: ANN@x\n", ("n", "ann@x")),
    (b"n:a:b", ("n", "a:b")),
    ("n:straße@x".encode(), ("n", "straße@x")),
    (b"m:" + b"u" * 320, ("m", "u" * 320)),
    (b"m:" + b"u" * 321, None),
    (b"n:", None),
    (b"n", None),
    (b":ann", None),
    (b"n n:ann", None),
    (b"n" * 65 + b":ann", None),
    (b"n:\xff", None),
    (b"\xff:ann", None),
    (b"n:a\0", None),
    (b"", None),
    (None, None),
]
KEYED = """
SELECT p.network_id, p.user_id FROM segments.rejected AS r
LEFT JOIN segments.person AS p ON r.key_person_id = p.person_id ORDER BY r.kafka_offset
"""


async def test_nothing_is_left_of_an_identifier_that_only_keys_of_refused_records_held(
    ready: Settings,
) -> None:
    """Guarantee 4: a tombstone is nothing but its key."""
    bob = NewRecord(
        command_json(user="bob", segment_id=77, description="why-he-came"), lane=0, key=b"n:bob"
    )
    sent = [NewRecord(record, lane=0, key=KEY) for _, record in UNREADABLE]
    sent.append(NewRecord(BY_USER[:-5], lane=0, key=b"neta: Erase.Me@ex.com"))
    async with service(ready, ingest, project):
        await publish(ready, [*sent, bob])
        await folded(ready)
    reasons = [reason for reason, _ in UNREADABLE]
    assert await outcomes(ready) == [*reasons, "not_json", "unknown_segment"]
    held = {"segments.person", "segments.rejected", "reporting.rejected"}
    assert held <= set(await found_in(ready, USER))

    assert await erase(ready, USER, "neta") is not None

    assert await found_in(ready, USER) == []
    assert await found_in(ready, "Erase.Me@ex.com") == []
    blank = "(detail, record_key, payload, payload_text, headers) IS NULL"
    kept = await rows(
        ready, f"SELECT reason, network_id, {blank} AS blank FROM segments.rejected ORDER BY 1, 2"
    )
    assert [row["reason"] for row in kept if not row["blank"]] == ["unknown_segment"]
    assert len(kept) == len(sent) + 1
    assert {row["network_id"] for row in kept} == {None, "n", "neta", "other"}
    assert await found_in(ready, "why-he-came") != []
    await sound(ready)
    assert await erase(ready, USER, "neta") is None


async def test_whose_a_key_is_follows_the_contract(database: Settings) -> None:
    async with log(database) as (lane,):
        await lane.append(*[(None, (), key) for key, _ in OWNERS])
    found = [tuple(row.values()) for row in await rows(database, KEYED)]
    assert found == [owner or (None, None) for _, owner in OWNERS]


async def test_a_key_that_names_another_than_the_value_is_of_both(database: Settings) -> None:
    """Whichever of the two is erased: also where only the append finds out that it is refused."""
    async with log(database) as (lane,):
        for person, network in (("ann", "n"), ("bob", "m")):
            assert await lane.append(
                (command_json(user="ann", unknown=1), (), b"m:bob"),
                (command_json(user="ann", segment_id=77), (), b"m:bob"),
                (command_json(user="ann", segment_id=77), (), b"n:ann"),
            ) == ["invalid_field", "unknown_segment", "unknown_segment"]
            assert await erase(database, person, network) is not None
            left = await rows(database, "SELECT record_key FROM segments.rejected ORDER BY 1")
            assert {row["record_key"] for row in left} == (
                {None} if person == "ann" else {None, b"n:ann"}
            )
    await sound(database)


async def test_whom_a_key_names_shows_in_no_view(database: Settings) -> None:
    """The key's network need not be the value's: none of its analysts may see the other one's user."""
    async with log(database) as (lane,):
        await lane.append(
            (command_json(user=["x"], reference_id="r"), (), b"m:hidden@x"),
            (None, (), b"m:hidden@x"),
        )
        places = await found_in(database, "hidden@x")
        results = await rows(database, "SELECT network_id, user_id FROM reporting.result")
        refused = await rows(database, "SELECT network_id FROM reporting.rejected ORDER BY 1")
    assert places == ["segments.person", "segments.rejected"]
    assert {tuple(row.values()) for row in results} == {("n", None), (None, None)}
    assert [row["network_id"] for row in refused] == ["n", None]


async def test_a_key_after_the_erasure_makes_a_new_person_and_an_erased_name_makes_none(
    database: Settings,
) -> None:
    async with log(database) as (lane,):
        await lane.append((None, (), b"n:ann"))
        number = await erase(database, "ann")
        await lane.append((None, (), b"n:ann"), (None, (), f"n:erased:{number}".encode()))
        named = [row["user_id"] for row in await rows(database, KEYED)]
        assert named == [f"erased:{number}", "ann", None]
        assert await value(database, "SELECT count(*) FROM segments.person") == 2
        assert await erase(database, "ann") == number + 1
    assert await found_in(database, "ann") == []


async def test_people_are_made_anew_when_the_append_failed(database: Settings) -> None:
    async with log(database) as (lane,):
        batch = await lane.prepare((None, (), b"n:ann"))
        async with connected(database) as connection:
            await connection.execute(
                "ALTER TABLE segments.lane ADD CONSTRAINT fails CHECK (rejected = 0)"
            )
            with pytest.raises(asyncpg.CheckViolationError):
                await lane.store(batch)
            await connection.execute("ALTER TABLE segments.lane DROP CONSTRAINT fails")
        assert await value(database, "SELECT count(*) FROM segments.person") == 0
        await lane.store(batch)
    assert [row["user_id"] for row in await rows(database, KEYED)] == ["ann"]


async def erase_what_holds(settings: Settings, identifier: str) -> dict[int, int]:
    """Do as the page on erasure says; gives the number of each erasure by the record's offset."""
    (query,) = [
        block
        for block in blocks(read("docs/operators/erasure.md"), "sql")
        if "erase_rejected" in block
    ]
    role, _, search = query.replace("jo@example.com", identifier).partition(";")
    async with connected(settings) as connection:
        await connection.execute(role)
        found = await connection.fetch(search)
    return {row["kafka_offset"]: row["erase_rejected"] for row in found}


async def test_an_operator_blanks_single_refused_records_that_name_nobody(
    database: Settings,
) -> None:
    async with log(database) as (lane,):
        assert await lane.append(
            (b'{"mail": "anna@x.com"', (("idempotency-key", b"anna@x.com"),), b"anna@x.com"),
            command_json(user="bob"),
            (None, (), b"a free-form key of \xff ANNA@x.com"),
            (b"{", (("idempotency-key", b"anna@x.com"),)),
            (command_json(user="bob", segment_id=77, description="why-he-came"), (), b"n:bob"),
        ) == ["not_json", "event", "tombstone", "not_json", "unknown_segment"]
        assert len(await found_in(database, "anna@x.com")) > 1
        numbers = await erase_what_holds(database, "anna@x.com")
        assert await found_in(database, "anna@x.com") == []
        assert await found_in(database, "ANNA@x.com") == []
        assert await found_in(database, "why-he-came") != []
        recorded = await rows(
            database,
            "SELECT x.rejected_erasure_id, x.kafka_offset, x.actor, x.reason, l.partition"
            " FROM segments.rejected_erasure AS x JOIN segments.lane AS l USING (lane_id) ORDER BY x.kafka_offset",
        )
        assert [tuple(row.values()) for row in recorded] == [
            (numbers[offset], offset, "ann@example.com", "request of 2 May", 0)
            for offset in (0, 2, 3)
        ]
    assert await value(database, "SELECT count(*) FROM reporting.rejected") == 4
    await sound(database)


async def test_a_batch_that_could_not_be_read_is_blanked_by_any_of_its_offsets(
    database: Settings,
) -> None:
    whole = Refusal(Reason.UNSTORABLE, "why-it-came")
    async with log(database) as (lane,):
        batch = Given(4, 1_700_000_000_000, None, None, (), span=5, refusal=whole)
        await lane.store(await lane.prepare_records([batch]))
    blanked = "SELECT segments.erase_rejected($1, 0, 0, 3, 'a', 'r')"
    async with connected(database, "segments_operate") as connection:
        assert await connection.fetchval(blanked, lane.lane.topic) is not None
    assert await found_in(database, "why-it-came") == []
    assert await value(database, "SELECT kafka_offset FROM segments.rejected_erasure") == 0


async def test_where_no_refused_record_lies_nothing_is_blanked_or_recorded(
    database: Settings,
) -> None:
    async with log(database) as (lane,):
        await lane.append(command_json(user="bob", description="why-he-came"))
        topic = lane.lane.topic
    async with connected(database, "segments_operate") as connection:
        for position in ((topic, 0, 0, 0), (topic, 0, 1, 0), ("none", 0, 0, 0)):
            assert (
                await connection.fetchval(
                    "SELECT segments.erase_rejected($1, $2, $3, $4, 'a', 'r')", *position
                )
                is None
            )
    assert await found_in(database, "why-he-came") != []
    assert await value(database, "SELECT count(*) FROM segments.rejected_erasure") == 0


async def test_only_the_operating_role_may_blank_a_refused_record(database: Settings) -> None:
    for role in ("segments_ingest", "segments_project", "segments_report", "segments_owner"):
        async with connected(database, role) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval("SELECT segments.erase_rejected('t', 0, 0, 0, 'a', 'r')")
    owner = await value(
        database,
        "SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'erase_rejected'",
    )
    assert owner == "segments_erase"
