"""`retroactive`: which days moved since a report was printed, why, and who sent it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import click

from projections.queries.moments import read_moment
from projections.queries.retroactive import Since, read_moved_days
from projections.queries.snapshots import SECONDS, take_snapshot
from segments.cli.command import command, load_settings, network_callback
from segments.cli.database import connected, note_unknown_network
from segments.cli.output import counted, print_json
from service.postgres.database import give_longer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from projections.queries.retroactive import Cause, MovedDay

ROLE = "segments_operate"
_NUMBERS = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]


def _since(_context: click.Context, _option: click.Parameter, value: str) -> Since:
    """Read a snapshot, or a time."""
    try:
        return Since(recorded=read_moment(value))
    except ValueError:
        return Since(value)


@command()
@click.option(
    "--since",
    required=True,
    callback=_since,
    help="The snapshot with which the first report was printed; or a time, for what was recorded before it.",
)
@click.option("--until", help="The snapshot of the second report. Default: now.")
@click.option("--network", callback=network_callback, help="Only this network.")
@click.option("--segment", type=int, help="Only this segment id.")
async def retroactive(
    *, since: Since, until: str | None, network: str | None, segment: int | None, as_json: bool
) -> None:
    """Show which days moved since a report, why, and who sent it.

    The days are those of segment_size_daily that the first report has, or that lie before its last.
    """
    async with (
        connected(load_settings(), ROLE, "repeatable_read") as connection,
        connection.transaction(isolation="repeatable_read"),
    ):
        await give_longer(connection, SECONDS)
        days, new = await read_moved_days(connection, since, until, network, segment)
        token = until or await take_snapshot(connection)
        await note_unknown_network(connection, network, days)
    if as_json:
        listed = [
            {**one._asdict(), "causes": [cause._asdict() for cause in one.causes], "sentence": text}
            for one, text in ((one, in_words([one])) for one in days)
        ]
        print_json({"until": token, "days": listed, "new_days": new})
        return
    for (network_id, segment_id), of_segment in groupby(days, key=lambda one: one[:2]):
        click.echo(f"segment {segment_id} of network {network_id}")
        for together in _runs(of_segment):
            click.echo(f"  {in_words(together)}")
    if not days:
        click.echo("no day moved")
    if new:
        click.echo(f"{counted(new, 'later day')} came since")
    click.echo(f"snapshot: {token}")


def _runs(days: Iterable[MovedDay]) -> Iterator[list[MovedDay]]:
    """Take days together that follow one another and only carry the same difference on."""
    for carried, run in groupby(days, key=lambda one: None if one.causes else one.carried):
        if carried is None:
            yield from ([one] for one in run)
        else:
            yield list(run)


def in_words(days: list[MovedDay]) -> str:
    """Say how a day moved, and why; or days that only carry what moved earlier ones."""
    one = days[0]
    if not one.causes:
        which = in_full(one.day)
        if len(days) > 1:
            which = f"{counted(len(days), 'day')} from {which} to {in_full(days[-1].day)}"
        return f"{which} moved by {one.carried:+,} with what moved earlier days"
    if one.members_before == one.members_after:
        text = (
            f"{in_full(one.day)} stayed at {one.members_after:,}, with {one.joined_before:,} → {one.joined_after:,}"
            f" joined and {one.left_before:,} → {one.left_after:,} left"
        )
    else:
        text = f"{in_full(one.day)} moved from {one.members_before:,} to {one.members_after:,}"
    carried = f", and {one.carried:+,} with what moved earlier days" if one.carried else ""
    return f"{text}: {'; '.join(map(_cause, one.causes))}{carried}"


def _cause(cause: Cause) -> str:
    number = _NUMBERS[cause.events] if cause.events < len(_NUMBERS) else f"{cause.events:,}"
    events = "event" if cause.events == 1 else "events"
    return f"{number} `{cause.user_status}` {events} from topic {cause.topic}, recorded on {in_full(cause.recorded_on)}"


def in_full(day: date) -> str:
    """Say a day in words, with its year where it is not this one."""
    year = "" if day.year == datetime.now(UTC).year else f" {day.year}"
    return f"{day.day} {day:%B}{year}"
