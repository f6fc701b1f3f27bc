"""The responses of the audit trail, rejected records and operations, for the documentation. They are not validated."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from projections.http.response_models import CompleteUntil, Next, Text  # noqa: TC001

_Moment = datetime | None
_Object = dict[str, Any]
_Position = Annotated[str, Field(description="topic:partition:epoch:offset")]


class AdminEvent(BaseModel):
    """What somebody did, as in view admin_event."""

    happened_at: datetime
    network_id: Text
    actor: Text
    kind: str
    change: str
    object: Text
    before: _Object
    after: _Object


class AdminEvents(BaseModel):
    """What was done, newest first."""

    events: list[AdminEvent]
    next: Next
    complete_until: CompleteUntil


class AccessEvent(BaseModel):
    """Who read what, as in view access_event."""

    first_at: datetime
    last_at: datetime
    network_id: Text
    actor: str
    key_id: Text
    via: str
    route: str
    segment_id: int | None
    user_id: Text
    reads: int
    rows_read: int | None


class Accesses(BaseModel):
    """Who read what, newest first."""

    accesses: list[AccessEvent]
    next: Next
    complete_until: CompleteUntil


class RejectedGroup(BaseModel):
    """Records of one reason and topic. new_records: those that were not retried."""

    reason: str
    topic: str
    records: int
    new_records: int
    first_at: datetime
    last_at: datetime


class RejectedGroups(BaseModel):
    """Groups, that with the newest record first."""

    groups: list[RejectedGroup]
    complete_until: CompleteUntil


class RejectedRecord(BaseModel):
    """A rejected record, with its last retry and what became of that."""

    position: _Position
    reason: str
    received_at: datetime
    recorded_at: datetime
    detail: Text
    reference_id: Text
    segment_id: int | None
    user_status: Text
    has_payload: bool
    retried_at: _Moment
    retried_as: Annotated[Text, Field(description="Its position since the retry.")]
    retried_by: Text
    outcome: Annotated[Text, Field(description="Of the retry, as in view result.")]
    outcome_reason: Text


class RejectedRecords(BaseModel):
    """Records of a reason and a topic, newest first."""

    records: list[RejectedRecord]
    next: Next
    complete_until: CompleteUntil


class RejectedWithPayload(RejectedRecord):
    """A rejected record; the last two fields only with payload=true."""

    user_id: Text = None
    payload_text: Text = None


class OneRejected(BaseModel):
    """One rejected record."""

    record: RejectedWithPayload
    complete_until: CompleteUntil


class Retried(BaseModel):
    """Where a retried record is now."""

    kafka_topic: str
    kafka_partition: int
    kafka_epoch: int
    kafka_offset: int
    retry_of: _Position


class Lane(BaseModel):
    """A lane that is read, or that is not projected yet. end_offset: of Kafka. Of records: the numbers behind."""

    topic: str
    partition: int
    epoch: int
    next_offset: int
    end_offset: int | None
    end_seen_at: _Moment
    events: int
    duplicates: int
    rejected: int
    holes: int
    stopped_because: Text
    ingest_behind: int | None
    projection_behind: int
    waiting_since: Annotated[_Moment, Field(description="recorded_at of the oldest waiting event.")]
    last_minute: Annotated[int, Field(description="Events recorded in the last minute.")]


class Source(BaseModel):
    """A command topic and its rule. networks, statuses: null for all."""

    topic: str
    topic_prefix: str
    change: str
    networks: list[str] | None
    statuses: list[str] | None
    changed_at: _Moment
    actor: Text


class Operations(BaseModel):
    """How the installation is doing: the watermark, overrides that lapse, projections, lanes and sources."""

    complete_until: CompleteUntil
    recorded_until: _Moment
    ingest_behind: int | None
    projection_behind: int | None
    stopped_lanes: int
    lapsing: int
    overdue: int
    overdue_since: _Moment
    projections: list[str]
    lanes: list[Lane]
    sources: list[Source]


class Key(BaseModel):
    """An API key without its secret."""

    key_id: str
    network_id: str
    key_name: str
    scopes: list[str]
    created_at: datetime
    created_by: Text
    expires_at: _Moment
    revoked_at: _Moment
    revoked_by: Text
    last_used_at: _Moment


class Task(BaseModel):
    """A verification or a rebuild. step: the one that runs; steps_done of steps are done before it."""

    task_id: int
    kind: str
    requested_at: datetime
    requested_by: str
    cancelled_at: _Moment
    cancelled_by: Text
    started_at: Annotated[_Moment, Field(description="Null: no process has begun it yet.")]
    step: Text
    steps_done: int
    steps: int | None
    ended_at: _Moment
    outcome: Annotated[
        Text, Field(description="done, differences, cancelled, failed or interrupted; null before.")
    ]
    result: Annotated[
        _Object | None,
        Field(
            description="differences: their number, and the first 100; events of a rebuild; error."
        ),
    ]


class Tasks(BaseModel):
    """Tasks, newest first."""

    tasks: list[Task]
    next: Next
    complete_until: CompleteUntil


class Seal(BaseModel):
    """The seal that goes on. tree_size: rows of the newest checkpoint; null: nothing is sealed."""

    origin: Text
    opened_at: _Moment
    tree_size: int | None
    signed_at: _Moment
    stopped_because: Annotated[
        Text, Field(description="Why nothing is sealed until an operator acts.")
    ]
    is_running: bool


class Keys(BaseModel):
    """API keys, newest first."""

    keys: list[Key]
    next: Next
    complete_until: CompleteUntil


class NewKeyMade(Key):
    """A key that was made. key: its text, which can't be retrieved again."""

    key: str
