"""`status`, `explain`, `verify` and `rebuild`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
from aiokafka.errors import KafkaError

from projections.fold.rebuild import rebuild as rebuild_projection
from projections.fold.worker import PROJECTION
from projections.operations.status import read_status, wait_until_folded
from projections.operations.verify import verify as verify_views
from projections.operations.verify_topic import verify_topics
from projections.queries.explain import EVENTS_LIMIT, explain_whole
from schemas.command.rules import normalise_user
from segments.cli.command import Failure, command, load_settings
from segments.cli.database import connected, note_access
from segments.cli.output import counted, plain, print_json, print_rows
from service.log.proof import count_erased
from service.runtime.errors import KafkaRefusedError

ROLE = "segments_operate"
LANE_COLUMNS = (
    "projection", "kafka_topic", "kafka_partition", "kafka_epoch", "kafka_end_offset", "log_offset",
    "projected_offset", "ingest_behind", "projection_behind", "kafka_end_seen", "stopped_because",
)  # fmt: skip


@command()
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    help="Wait at most this many seconds until every projection contains everything that is in Kafka now.",
)
async def status(*, wait: float | None, as_json: bool) -> None:
    """Show lanes, lag and freshness.

    With --wait the exit code is 0 as soon as every projection contains everything up to each lane's end at the time of
    the call. It is 1 if the seconds have passed, or at once if a lane is stopped.
    """
    settings = load_settings()
    behind: list[dict[str, Any]] = []
    async with connected(settings, ROLE) as connection:
        if wait is not None:
            behind = await wait_until_folded(connection, settings, wait)
        result = await read_status(connection, settings)
    if as_json:
        print_json(result if wait is None else {**result, "behind": behind})
    else:
        _print_status(result)
    if behind:
        lanes = "; ".join(
            f"{row['topic']}, partition {row['partition']}: {row['behind']} behind"
            + (f", stopped: {row['stopped_because']}" if row["stopped_because"] else "")
            for row in behind
        )
        raise Failure(f"The projections are behind: {lanes}")


def _print_status(result: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    rows = [
        {**row, "kafka_end_seen": _ago(row["kafka_end_seen_at"], now)} for row in result["lanes"]
    ]
    print_rows(rows, LANE_COLUMNS)
    if result["watermark"]:
        for name, value in result["watermark"].items():
            click.echo(f"{name}: {'not known yet' if value is None else plain(value)}")
    click.echo(f"snapshot: {result['snapshot']}")
    if result["topics_owner"]:
        owner = result["topics_owner"]
        whose = (
            "this installation"
            if owner["is_ours"]
            else f"another installation, {owner['installation']}"
        )
        actor = owner["actor"] or "an unnamed actor"
        click.echo(f"owner of the topics: {whose}, since {plain(owner['since'])}, by {actor}")
    if result["overdue_expiries"]:
        click.echo(f"overdue expiries: {result['overdue_expiries']}")
    for warning in result["warnings"]:
        click.echo(f"warning: {warning}")


def _ago(at: datetime | None, now: datetime) -> str:
    return "never" if at is None else f"{max((now - at).total_seconds(), 0):.0f} s ago"


@command()
@click.option("--network", required=True, help="The network (tenant).")
@click.option("--segment", required=True, type=int, help="The segment's id.")
@click.option("--user", required=True, help="An email or a user id.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=EVENTS_LIMIT,
    show_default=True,
    help="Show at most this many events, the newest.",
)
async def explain(*, network: str, segment: int, user: str, limit: int, as_json: bool) -> None:
    """Show why a user is in a segment or not.

    The command lists each event and its effect, then the current state, with the time at which an override expires.
    The exit code is 1 if there is no event.
    """
    async with connected(load_settings(), ROLE) as connection, connection.transaction():
        explanation = await explain_whole(connection, network, segment, user, limit)
        await note_access(connection, "explain", network, segment, user, len(explanation["events"]))
    events, now = explanation["events"], explanation["now"]
    if explanation["earlier"]:
        click.echo(f"only the newest {len(events)} events; more: --limit", err=True)
    if as_json:
        print_json(explanation)
    elif events:
        print_rows(
            events,
            ("status_change_timestamp", "user_status", "outcome", "is_member_after", "override_after",
             "reference_id", "source", "actor", "description", "expires_at"),
        )  # fmt: skip
        if now:
            click.echo()
            print_rows([now])
    if not events:
        raise Failure(
            f"There is no event of user {normalise_user(user)!r} in segment {segment} of network {network}."
        )


@command()
@click.option(
    "--memberships",
    is_flag=True,
    help="Also read all of <prefix>.memberships, and compare each key's last value with the present state.",
)
async def verify(*, memberships: bool, as_json: bool) -> None:
    """Compare every view with the fold of the log. The exit code is 1 on any difference.

    The command also checks that events, duplicates, rejected records and holes account for each offset once, compares
    every column of each event with its digests, and checks that the triggers that protect the log are in force. Events
    of erased people are counted: their content is gone and can't be compared.

    If SEGMENTS_KAFKA_BOOTSTRAP_SERVERS is set and Kafka answers, the command also checks that its topics are the ones
    that were read and written.
    """
    settings = load_settings()
    differences: list[Any]
    async with connected(settings, ROLE, "repeatable_read") as connection:
        differences = await verify_views(connection)
        erased = await count_erased(connection)
        if memberships or settings.kafka_bootstrap_servers:
            try:
                differences += await verify_topics(connection, settings, memberships=memberships)
            except (KafkaError, KafkaRefusedError) as error:
                if memberships:
                    raise
                click.echo(f"warning: Kafka's topics were not checked: {error}", err=True)
    if as_json:
        print_json({"differences": differences, "erased": erased})
    elif differences:
        print_rows(differences)
    else:
        click.echo(
            "no differences: every view equals the fold of the log, and every offset is accounted for once"
        )
    if erased and not as_json:
        click.echo(
            f"{counted(erased, 'event')} of erased people were compared without their erased content"
        )
    if differences:
        raise Failure(counted(len(differences), "difference"))


@command()
@click.argument("projection", default=PROJECTION)
async def rebuild(*, projection: str, as_json: bool) -> None:
    """Rebuild a projection from the whole log.

    The old tables serve until the new ones are complete. Then they are swapped.
    """
    events = await rebuild_projection(load_settings(), projection)
    if as_json:
        print_json({"projection": projection, "events": events})
    else:
        click.echo(f"{projection} rebuilt from {counted(events, 'event')}")
