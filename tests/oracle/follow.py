"""Find an order of appends, across lanes, that explains what a service reported.

Lanes are appended at once, so nobody sees in which order two of them met. A lane's own order is
known; which of two lanes came first shows only in who became the event. So: take the head of
any lane whose outcome, as the model sees it now, is the one reported, until nothing is left.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from tests.oracle.model import Model
from tests.oracle.words import Outcome, Position, Record


@dataclass(frozen=True)
class Reported:
    """What the service's views say of a position."""

    outcome: Outcome
    recorded_at: datetime


def follow(
    model: Model, records: Iterable[Record], reported: Mapping[Position, Reported]
) -> list[str]:
    """Append all records to the model, each lane in offset order; name what nothing explains.

    An empty list says that some order of appends gives just these outcomes; the model is then
    in the state after it. Else each line names the head of a lane that cannot go on.
    """
    lanes: dict[tuple[str, int], deque[Record]] = defaultdict(deque)
    for record in sorted(records, key=lambda record: record.position):
        lanes[record.topic, record.partition].append(record)
    moved = True
    while moved:
        moved = False
        for lane in lanes.values():
            while lane and explained(model, lane[0], reported):
                record = lane.popleft()
                model.append(record, reported[record.position].recorded_at)
                moved = True
    return [
        f"{lane[0].position}: expected {model.decide(lane[0]).outcome},"
        f" reported {reported.get(lane[0].position)}, value {lane[0].value!r}"
        for lane in lanes.values()
        if lane
    ]


def explained(model: Model, record: Record, reported: Mapping[Position, Reported]) -> bool:
    row = reported.get(record.position)
    return row is not None and model.decide(record).outcome == row.outcome
