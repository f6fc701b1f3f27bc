"""Hand-written histories, short to write: the clock starts at START and each record takes 1 s."""

import json
from datetime import datetime
from typing import Any

from tests.oracle.model import Model
from tests.oracle.words import Outcome, Position, Record, Row, at_second

START = 1_704_067_200  # 2024-01-01T00:00:00Z, a Monday
TOPIC = "segments.commands"
NOON = 43_200


def after(seconds: int) -> datetime:
    """Give the time so long after START."""
    return at_second(START + seconds)


class Script:
    """Says commands to a model; times are seconds after START, received from NOON on.

    Signatures are accepted where a record has any; an event's id is its position as text.
    """

    def __init__(self, **options: Any) -> None:
        self.model = Model(
            {("acme", 1): False, ("acme", 2): False, ("acme", 9): True, ("beta", 1): False},
            event_id=self.event_id,
            accepts=lambda record: record.header("segments-signature") is not None,
            **options,
        )
        self.clock_ms = (START + NOON) * 1000
        self.offsets: dict[int, int] = {}

    @staticmethod
    def event_id(position: Position) -> str:
        return f"id-{position[1]}-{position[3]}"

    def say(
        self,
        status: str,
        at: int | None = None,
        *,
        lane: int = 0,
        headers: tuple[tuple[str, bytes | None], ...] = (),
        idempotency: str | None = None,
        expires: int | None = None,
        **fields: Any,
    ) -> Outcome:
        """Say one command of user ann, segment 1 of acme, unless told otherwise."""
        command: dict[str, Any] = {"network_id": "acme", "user": "ann", "segment_id": 1}
        command["user_status"] = status
        if at is not None:
            command["status_change_timestamp"] = START + at
        if expires is not None:
            command["expires_at"] = START + expires
        if idempotency is not None:
            headers = (*headers, ("idempotency-key", idempotency.encode()))
        return self.send(json.dumps(command | fields).encode(), lane=lane, headers=headers)

    def expire(self, at: int, names: int, *, lane: int = 0, **fields: Any) -> Outcome:
        """Publish the expiry, as the service does, of the event at that offset of lane 0."""
        named = self.event_id((TOPIC, 0, 0, names))
        signed = (("segments-source", b"expiry"), ("segments-signature", b"accepted"))
        reference = f"expire:{named}"
        return self.say("expire", at, lane=lane, headers=signed, reference_id=reference, **fields)

    def send(
        self,
        value: bytes | None,
        *,
        lane: int = 0,
        headers: tuple[tuple[str, bytes | None], ...] = (),
        step_ms: int = 1000,
    ) -> Outcome:
        offset = self.offsets.get(lane, 0)
        self.offsets[lane] = offset + 1
        self.clock_ms += step_ms
        record = Record(TOPIC, lane, 0, offset, self.clock_ms, value, headers=headers)
        return self.model.append(record, self.recorded_at())

    def recorded_at(self) -> datetime:
        """When the last record was appended: the clock's second."""
        return at_second(self.clock_ms // 1000)

    def state(self, user: str = "ann") -> tuple[bool, str | None]:
        """(is_member, override) as user_segment has it."""
        row = self.row("user_segment", user)
        return row["is_member"], row["override"]

    def row(self, view: str, user: str = "ann") -> Row:
        """Give the one row that the view has of the user."""
        (row,) = self.rows(view, user)
        return row

    def rows(self, view: str, user: str = "ann") -> list[Row]:
        return [row for row in getattr(self.model, view)() if row["user_id"] == user]

    def outcomes(self) -> list[str]:
        """Outcomes by order of arrival."""
        rows = sorted(self.model.result(), key=lambda row: row["received_at"])
        return [row["outcome"] for row in rows]
