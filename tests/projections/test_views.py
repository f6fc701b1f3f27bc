"""The reporting views against the contract: columns, their order and types, comments, functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from service.registry.accesses import Access, record_access
from tests.projections.folding import commands, fold, log
from tests.support.database import connected, rows, value

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
# Other people's programs rely on these.
VIEWS = {
    "segment": "network_id, segment_id, segment_name, description, is_visible, created_at, created_by, archived_at",
    "segment_history": "network_id, segment_id, segment_name, description, is_visible, archived, valid_from, valid_to,"
    " actor, reason",
    "membership": "network_id, segment_id, segment_name, user_id, since, cause, override, reference_id, description,"
    " metadata, last_recorded_at, event_id, source, actor",
    "override": "network_id, segment_id, segment_name, user_id, override, is_member, since, expires_at, reference_id,"
    " description, metadata, last_recorded_at, event_id, source, actor",
    "user_segment": "network_id, segment_id, segment_name, user_id, is_member, override, automation_says, member_since,"
    " override_since, last_change_at, last_recorded_at",
    "automation_disagreement": "network_id, segment_id, user_id, is_member, automation_says",
    "membership_history": "event_id, network_id, segment_id, user_id, valid_from, valid_to, is_current, is_member,"
    " override, cause, reference_id, last_recorded_at, duration",
    "event": "event_id, network_id, segment_id, user_id, user_sent, user_status, status_change_timestamp, time_given,"
    " reference_id, expires_at, received_at, recorded_at, kafka_topic, kafka_partition, kafka_epoch, kafka_offset,"
    " source, actor, metadata, description",
    "rejected": "kafka_topic, kafka_partition, kafka_epoch, kafka_offset, received_at, recorded_at, reason, detail,"
    " network_id, reference_id, payload, payload_text, retried_at, next_offset, retried_as",
    "rejected_retry": "retry_id, retried_at, actor, network_id, kafka_topic, kafka_partition, kafka_epoch,"
    " kafka_offset, reason, retried_as, outcome, event_id, rejected_reason, rejected_detail",
    "duplicate": "kafka_topic, kafka_partition, kafka_epoch, kafka_offset, received_at, recorded_at,"
    " duplicate_of_event_id",
    "hole": "kafka_topic, kafka_partition, kafka_epoch, first_offset, next_offset, cause, recorded_at",
    "result": "network_id, reference_id, segment_id, user_id, user_status, outcome, reason, changed_membership,"
    " changed_override, status_change_timestamp, received_at, kafka_topic, kafka_partition, kafka_epoch, kafka_offset,"
    " event_id",
    "segment_size": "network_id, segment_id, segment_name, members, added, blocked",
    "segment_size_calendar": "network_id, segment_id, segment_name, day, members, members_joined, members_left,"
    " restated_at",
    "segment_size_daily": "network_id, segment_id, segment_name, day, members, members_joined, members_left,"
    " restated_at",
    "retroactive_change": "network_id, segment_id, user_id, event_id, recorded_at, day, members_before, members_after,"
    " joined_before, joined_after, left_before, left_after",
    "lane": "kafka_topic, kafka_partition, kafka_epoch, first_offset, next_offset, events, duplicates, rejected, holes,"
    " stopped_because",
    "freshness": "projection, kafka_topic, kafka_partition, kafka_epoch, kafka_end_offset, kafka_end_seen_at,"
    " log_offset, projected_offset, ingest_behind, projection_behind",
    "admin_event": "kind, number, happened_at, network_id, actor, change, object, before, after",
    "access_event": "access_event_id, network_id, segment_id, user_id, actor, key_id, via, route, reads, rows_read,"
    " first_at, last_at",
    "watermark": "complete_until, recorded_until, ingest_behind, projection_behind, stopped_lanes",
}
TYPES = {
    "uuid": {"event_id", "duplicate_of_event_id"},
    "bigint": {
        "segment_id", "kafka_offset", "first_offset", "next_offset", "members", "added", "blocked", "members_joined",
        "members_left", "events", "duplicates", "rejected", "holes", "kafka_end_offset", "log_offset",
        "projected_offset", "ingest_behind", "projection_behind", "stopped_lanes", "members_before", "members_after",
        "joined_before", "joined_after", "left_before", "left_after", "number", "access_event_id", "rows_read",
        "retry_id",
    },
    "integer": {"kafka_partition", "kafka_epoch", "reads"},
    "boolean": {
        "is_visible", "archived", "is_member", "is_current", "time_given", "changed_membership", "changed_override",
    },
    "timestamp with time zone": {
        "created_at", "archived_at", "valid_from", "valid_to", "since", "last_recorded_at", "expires_at",
        "member_since", "override_since", "last_change_at", "status_change_timestamp", "received_at", "recorded_at",
        "retried_at", "restated_at", "kafka_end_seen_at", "complete_until", "recorded_until", "happened_at",
        "first_at", "last_at",
    },
    "interval": {"duration"},
    "date": {"day"},
    "jsonb": {"metadata", "before", "after"},
    "bytea": {"payload"},
}  # fmt: skip
_COLUMNS = """
SELECT c.relname AS view, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type,
    col_description(c.oid, a.attnum) AS comment
FROM pg_attribute AS a JOIN pg_class AS c ON a.attrelid = c.oid
WHERE c.relnamespace = 'reporting'::regnamespace AND c.relkind <> 'c' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""

_COMMENTS = """
SELECT relname, obj_description(oid, 'pg_class') FROM pg_class
WHERE relnamespace = 'reporting'::regnamespace AND relkind = 'v'
"""


async def test_every_view_has_the_columns_of_the_contract_in_order(database: Settings) -> None:
    found: dict[str, list[str]] = {}
    for row in await rows(database, _COLUMNS):
        found.setdefault(row["view"], []).append(row["column"])
    assert found == {view: columns.split(", ") for view, columns in VIEWS.items()}


async def test_every_column_has_the_type_of_the_contract(database: Settings) -> None:
    types = {name: type_ for type_, names in TYPES.items() for name in names}
    wrong = [
        (row["view"], row["column"], row["type"])
        for row in await rows(database, _COLUMNS)
        if row["type"] != types.get(row["column"], "text")
    ]
    assert wrong == []


async def test_every_view_column_function_and_type_says_what_it_is(database: Settings) -> None:
    silent = [
        f"{row['view']}.{row['column']}"
        for row in await rows(database, _COLUMNS)
        if not row["comment"]
    ]
    assert silent == []
    objects = await rows(
        database,
        "SELECT relname AS name, obj_description(oid, 'pg_class') AS comment FROM pg_class"
        " WHERE relnamespace = 'reporting'::regnamespace AND relkind = 'v'"
        " UNION ALL SELECT proname, obj_description(oid, 'pg_proc') FROM pg_proc"
        " WHERE pronamespace = 'reporting'::regnamespace"
        " UNION ALL SELECT nspname, obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'reporting'",
    )
    assert [row["name"] for row in objects if not row["comment"]] == []
    assert len(objects) == len(VIEWS) + 9


async def test_the_key_that_a_comment_names_identifies_each_row_of_the_view(
    database: Settings,
) -> None:
    said = commands(7, 400, users=40)
    async with log(database, lanes=2) as lanes:
        for lane in lanes:
            await lane.append(*said[::2], *said[:20], *said[1::2], b"{", b"{")
        await fold(database)
    async with connected(database) as connection:
        for route in ("one", "other"):
            await record_access(connection, Access("n", 1, None, "ann", None, "command", route))
        await connection.execute(
            "INSERT INTO segments.retry (lane_id, kafka_offset)"
            " SELECT r.lane_id, r.kafka_offset FROM segments.rejected AS r"
        )
        comments = dict(await connection.fetch(_COMMENTS))
        assert comments.keys() == VIEWS.keys()
        for view, comment in comments.items():
            if view == "watermark":
                continue
            key = re.search(r" Key: ([a-z_, ]+)\.$", comment)
            assert key is not None, view
            ((total, named, distinct),) = await connection.fetch(
                f"SELECT count(*), count(*) FILTER (WHERE num_nulls({key[1]}) = 0), count(DISTINCT ({key[1]}))"
                f" FROM reporting.{view}"
            )
            assert named == distinct == total, view
            assert total > 1 or view == "hole", view


async def test_the_functions_have_the_signatures_and_defaults_of_the_contract(
    database: Settings,
) -> None:
    found = await rows(
        database,
        "SELECT proname, pg_get_function_arguments(oid) AS takes, pg_get_function_result(oid) AS gives FROM pg_proc"
        " WHERE pronamespace = 'reporting'::regnamespace ORDER BY 1",
    )
    assert [tuple(row.values()) for row in found] == [
        (
            "changed_keys",
            (
                "recorded_from timestamp with time zone,"
                " recorded_until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone,"
                " network_id text DEFAULT NULL::text"
            ),
            "SETOF reporting.user_segment",
        ),
        (
            "changes_between",
            (
                "since text, until text DEFAULT NULL::text, network_id text DEFAULT NULL::text,"
                " segment_id bigint DEFAULT NULL::bigint"
            ),
            "SETOF reporting.day_change",
        ),
        (
            "membership_as_of",
            (
                "at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone,"
                " known_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone,"
                " network_id text DEFAULT NULL::text, segment_id bigint DEFAULT NULL::bigint,"
                " user_id text DEFAULT NULL::text"
            ),
            "SETOF reporting.membership_state",
        ),
        (
            "membership_as_shown",
            (
                "snapshot text, at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone,"
                " network_id text DEFAULT NULL::text, segment_id bigint DEFAULT NULL::bigint,"
                " user_id text DEFAULT NULL::text"
            ),
            "SETOF reporting.membership_state",
        ),
        ("normalise_user", "text", "text"),
        ("overlap", "network_id text, segment_ids bigint[]", "SETOF reporting.segment_overlap"),
        (
            "segment_size_series",
            (
                'network_id text, segment_id bigint, "from" timestamp with time zone,'
                " \"to\" timestamp with time zone, unit text DEFAULT 'day'::text, time_zone text DEFAULT 'UTC'::text"
            ),
            "SETOF reporting.segment_size_of_unit",
        ),
        ("snapshot", "", "text"),
    ]
    columns = await value(
        database,
        "SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = 'reporting.day_change'::regclass",
    )
    assert columns == VIEWS["retroactive_change"]
    columns = await value(
        database,
        "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = 'reporting.membership_state'::regclass",
    )
    assert (
        columns
        == "network_id text, segment_id bigint, user_id text, is_member boolean, override text"
    )


async def test_an_empty_database_has_one_watermark_that_knows_nothing(database: Settings) -> None:
    (row,) = await rows(database, "SELECT * FROM reporting.watermark")
    assert row == {
        "complete_until": None,
        "recorded_until": None,
        "ingest_behind": 0,
        "projection_behind": 0,
        "stopped_lanes": 0,
    }
