"""The responses of the routes that read, for the documentation. Responses are not validated against them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID  # noqa: TC003 - pydantic reads it

from pydantic import BaseModel, Field

CompleteUntil = Annotated[
    datetime | None,
    Field(
        description="The response includes every record received before this time. Null: not known yet."
    ),
]
Next = Annotated[
    str | None, Field(description="The `cursor` of the next page; null on the last page.")
]
Text = str | None
_SOURCE = "Of that event: kafka, http, cli, import, dashboard, retry or expiry, as signed."
_ACTOR = "The person or service behind that event, as signed; null without a signature."
Metadata = dict[str, Any] | None


class Member(BaseModel):
    """A member of a segment, as in view membership. `since` and the fields after it are of the event that began it."""

    network_id: Annotated[str, Field(examples=["acme"])]
    segment_id: Annotated[int, Field(examples=[1])]
    segment_name: Annotated[str, Field(examples=["Power user"])]
    user_id: Annotated[str, Field(examples=["jo@example.com"])]
    since: datetime
    cause: Annotated[str, Field(examples=["enter"], description="The event's user_status.")]
    override: Annotated[Text, Field(examples=[None], description="add or null")]
    reference_id: Annotated[Text, Field(examples=["nightly-7"])]
    description: Text
    metadata: Annotated[Metadata, Field(examples=[{"rule": "rfm-3"}])]
    last_recorded_at: Annotated[
        datetime, Field(description="The newest recorded_at of the user's events in this segment.")
    ]
    event_id: UUID
    source: Annotated[str, Field(examples=["http"], description=_SOURCE)]
    actor: Annotated[Text, Field(description=_ACTOR)]


class UserSegment(BaseModel):
    """The state of a user in a segment, as in view user_segment, and its cause."""

    network_id: Annotated[str, Field(examples=["acme"])]
    segment_id: Annotated[int, Field(examples=[1])]
    segment_name: Annotated[str, Field(examples=["Power user"])]
    user_id: Annotated[str, Field(examples=["jo@example.com"])]
    is_member: bool
    override: Annotated[Text, Field(description="add, block or null", examples=["block"])]
    automation_says: Annotated[Text, Field(description="enter, leave or null", examples=["enter"])]
    member_since: datetime | None
    override_since: datetime | None
    expires_at: Annotated[
        datetime | None, Field(description="When the override expires; null: never.")
    ]
    last_change_at: datetime
    last_recorded_at: datetime
    since: Annotated[
        datetime | None, Field(description="member_since; override_since for a non-member.")
    ]
    cause: Annotated[
        Text,
        Field(
            description="user_status of the event that began the membership; `block` for a blocked user.",
            examples=["block"],
        ),
    ]
    reference_id: Annotated[Text, Field(description="Of that event.", examples=["ticket-17"])]
    description: Annotated[Text, Field(description="Of that event.", examples=["Reseller"])]
    metadata: Annotated[Metadata, Field(description="Of that event.")]
    event_id: Annotated[UUID | None, Field(description="Of that event.")]
    source: Annotated[Text, Field(examples=["http"], description=_SOURCE)]
    actor: Annotated[Text, Field(description=_ACTOR)]
    override_reference_id: Annotated[
        Text, Field(description="Of the event that last stated the override.")
    ]
    override_description: Text
    override_metadata: Metadata
    override_event_id: UUID | None
    override_source: Annotated[Text, Field(description=_SOURCE)]
    override_actor: Annotated[Text, Field(description=_ACTOR)]


class Result(BaseModel):
    """The outcome of a command, as in view result, with the detail of view rejected for a rejected one."""

    network_id: Text
    reference_id: Annotated[Text, Field(examples=["ticket-17"])]
    segment_id: int | None
    user_id: Text
    user_status: Annotated[Text, Field(examples=["block"])]
    outcome: Annotated[
        str,
        Field(
            description="queued, applied, no_change, ineffective, superseded, duplicate or rejected",
            examples=["applied"],
        ),
    ]
    reason: Annotated[Text, Field(description="The reason of a rejection.")]
    changed_membership: bool | None
    changed_override: bool | None
    status_change_timestamp: datetime | None
    received_at: datetime | None
    kafka_topic: Annotated[str, Field(examples=["segments.commands"])]
    kafka_partition: int
    kafka_epoch: int
    kafka_offset: int
    event_id: UUID | None
    detail: Annotated[Text, Field(description="For a rejection: what is wrong, and where.")]


class Size(BaseModel):
    """A segment's size, as in view segment_size."""

    network_id: str
    segment_id: int
    segment_name: str
    members: int
    added: Annotated[int, Field(description="Standing overrides `add`.")]
    blocked: Annotated[int, Field(description="Standing overrides `block`.")]


class Step(BaseModel):
    """An event of the user in the segment, its effect, and the state after it."""

    event_id: UUID
    status_change_timestamp: datetime
    received_at: datetime
    user_status: str
    outcome: str
    changed_membership: bool | None
    changed_override: bool | None
    reference_id: str
    source: str
    actor: Text
    description: Text
    expires_at: datetime | None
    kafka_topic: str
    kafka_partition: int
    kafka_epoch: int
    kafka_offset: int
    is_member_after: bool | None
    override_after: Text


class Now(BaseModel):
    """A row of view user_segment, with the expiry of the override."""

    network_id: str
    segment_id: int
    segment_name: str
    user_id: str
    is_member: bool
    override: Text
    automation_says: Text
    member_since: datetime | None
    override_since: datetime | None
    last_change_at: datetime
    last_recorded_at: datetime
    expires_at: Annotated[
        datetime | None, Field(description="When the override expires; null: never.")
    ]


class Members(BaseModel):
    """A page of members. A page may be shorter than `limit` and not the last; see `next`."""

    members: list[Member]
    next: Next
    complete_until: CompleteUntil


class OneMember(BaseModel):
    """One user in one segment. members: the user's row as in a page; empty for a non-member."""

    members: list[Member]
    next: None
    state: UserSegment
    complete_until: CompleteUntil


class UserSegments(BaseModel):
    """The segments with an event of a user, by id: all of them, or the first page; see `next`."""

    segments: list[UserSegment]
    next: Next
    complete_until: CompleteUntil


class Results(BaseModel):
    """Results in the order of their positions."""

    results: list[Result]
    next: Next
    complete_until: CompleteUntil


class Sizes(BaseModel):
    """The segments of a network by id, empty, archived and hidden ones included."""

    sizes: list[Size]
    complete_until: CompleteUntil


class Explanation(BaseModel):
    """Why a user is in a segment, or not. events: the newest, in chronological order.

    A page may be shorter than `limit` and not the last; `next` leads to earlier events.
    """

    now: Annotated[Now | None, Field(description="Null: no event is projected yet.")]
    events: list[Step]
    next: Next
    complete_until: CompleteUntil
