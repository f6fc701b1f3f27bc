"""What is published, and what a broker makes of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.oracle.model import made_up_event_id
from tests.oracle.words import Position, Record

NAMED = b"{named event}"


@dataclass(frozen=True)
class Sent:
    """One record to be published."""

    number: int  # its place in the history
    lane: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    label: str | None = None  # of a broken record: the reason it must be rejected with
    names: int | None = None  # of an expire: the number of the record whose event it names


def delivered(
    sent: Iterable[Sent],
    start_ms: int,
    *,
    step_ms: Callable[[int], int] = lambda _: 7,
    topic: str = "segments.commands",
    epoch: int = 0,
    event_id: Callable[[Position], str] = made_up_event_id,
) -> list[Record]:
    """Deliver as a broker would: offsets by lane, its clock on each, expires naming their events.

    step_ms: how far the clock moves before the n-th record; it may step back.
    """
    offsets: dict[int, int] = {}
    positions: dict[int, Position] = {}
    sent = list(sent)
    for one in sent:
        offset = offsets.get(one.lane, 0)
        offsets[one.lane] = offset + 1
        positions[one.number] = (topic, one.lane, epoch, offset)
    records = []
    for place, one in enumerate(sent):
        start_ms += step_ms(place)
        value = one.value
        if value is not None and one.names is not None:
            value = value.replace(NAMED, event_id(positions[one.names]).encode())
        position = positions[one.number]
        records.append(Record(*position, start_ms, value, one.key, one.headers))
    return records
