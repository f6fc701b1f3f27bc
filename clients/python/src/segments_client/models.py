"""Made by generate.py from the OpenAPI document; do not edit."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Command(BaseModel):
    """
    A publisher's request: one command, one record on `<prefix>.commands`.
    """

    model_config = ConfigDict(
        extra='forbid',
    )
    user: Annotated[
        str,
        Field(
            description='An email or a user id. An identifier with @ is an email: ASCII white space is trimmed, A-Z become a-z. At most 320 characters after that, and not only white space.'
        ),
    ]
    segment_id: Annotated[
        int,
        Field(
            description='The segment; it must exist in the network and not be archived.'
        ),
    ]
    user_status: Literal['add', 'block', 'reset']
    metadata: Annotated[
        dict[str, Any] | None,
        Field(
            description='Free-form; stored and queryable. {}, null and "" are absent.'
        ),
    ] = None
    reference_id: Annotated[
        str | None,
        Field(
            description='The publisher\'s own id, for reporting; may repeat. null and "" are absent.'
        ),
    ] = None
    status_change_timestamp: Annotated[
        int | None,
        Field(
            description='When it happened, in Unix seconds: not before 1990, not later than 5 minutes after the receipt. Retries are safe only with it or with the header idempotency-key. Default: the time of receipt. null and "" are absent.'
        ),
    ] = None
    description: Annotated[
        str | None, Field(description='Why. null and "" are absent.')
    ] = None
    expires_at: Annotated[
        int | None,
        Field(
            description='When the override expires, in Unix seconds: after the command\'s time, before 2100. Only with add and block. null and "" are absent.'
        ),
    ] = None


class Member(BaseModel):
    """
    A member of a segment, as in view membership. `since` and the fields after it are of the event that began it.
    """

    network_id: Annotated[str, Field(examples=['acme'], title='Network Id')]
    segment_id: Annotated[int, Field(examples=[1], title='Segment Id')]
    segment_name: Annotated[str, Field(examples=['Power user'], title='Segment Name')]
    user_id: Annotated[str, Field(examples=['jo@example.com'], title='User Id')]
    since: Annotated[AwareDatetime, Field(title='Since')]
    cause: Annotated[
        str,
        Field(
            description="The event's user_status.", examples=['enter'], title='Cause'
        ),
    ]
    override: Annotated[
        str | None, Field(description='add or null', examples=[None], title='Override')
    ]
    reference_id: Annotated[
        str | None, Field(examples=['nightly-7'], title='Reference Id')
    ]
    description: Annotated[str | None, Field(title='Description')]
    metadata: Annotated[
        dict[str, Any] | None, Field(examples=[{'rule': 'rfm-3'}], title='Metadata')
    ]
    last_recorded_at: Annotated[
        AwareDatetime,
        Field(
            description="The newest recorded_at of the user's events in this segment.",
            title='Last Recorded At',
        ),
    ]
    event_id: Annotated[UUID, Field(title='Event Id')]
    source: Annotated[
        str,
        Field(
            description='Of that event: kafka, http, cli, import, dashboard, retry or expiry, as signed.',
            examples=['http'],
            title='Source',
        ),
    ]
    actor: Annotated[
        str | None,
        Field(
            description='The person or service behind that event, as signed; null without a signature.',
            title='Actor',
        ),
    ]


class Members(BaseModel):
    """
    A page of members. A page may be shorter than `limit` and not the last; see `next`.
    """

    members: Annotated[list[Member], Field(title='Members')]
    next: Annotated[
        str | None,
        Field(
            description='The `cursor` of the next page; null on the last page.',
            title='Next',
        ),
    ]
    complete_until: Annotated[
        AwareDatetime | None,
        Field(
            description='The response includes every record received before this time. Null: not known yet.',
            title='Complete Until',
        ),
    ]


class Now(BaseModel):
    """
    A row of view user_segment, with the expiry of the override.
    """

    network_id: Annotated[str, Field(title='Network Id')]
    segment_id: Annotated[int, Field(title='Segment Id')]
    segment_name: Annotated[str, Field(title='Segment Name')]
    user_id: Annotated[str, Field(title='User Id')]
    is_member: Annotated[bool, Field(title='Is Member')]
    override: Annotated[str | None, Field(title='Override')]
    automation_says: Annotated[str | None, Field(title='Automation Says')]
    member_since: Annotated[AwareDatetime | None, Field(title='Member Since')]
    override_since: Annotated[AwareDatetime | None, Field(title='Override Since')]
    last_change_at: Annotated[AwareDatetime, Field(title='Last Change At')]
    last_recorded_at: Annotated[AwareDatetime, Field(title='Last Recorded At')]
    expires_at: Annotated[
        AwareDatetime | None,
        Field(
            description='When the override expires; null: never.', title='Expires At'
        ),
    ]


class Error(BaseModel):
    pointer: Annotated[str, Field(description='JSON pointer (RFC 6901).')]
    detail: str


class Problem(BaseModel):
    type: Annotated[str, Field(examples=['urn:segments:problem:invalid_field'])]
    title: str
    status: int
    detail: str
    reason: Annotated[str, Field(description='The cause, for programs.')]
    published: Annotated[
        Literal['no', 'unknown'] | None,
        Field(description='For a command: whether it may be in Kafka.'),
    ] = None
    line: Annotated[
        int | None,
        Field(description='For an item of an NDJSON batch: its line, from 1.'),
    ] = None
    errors: Annotated[list[Error] | None, Field(description='Each wrong field.')] = None


class Queued(BaseModel):
    status: Annotated[
        Any,
        Field(
            description='201 in a batch; else `queued`, or the outcome with Prefer: wait.'
        ),
    ]
    reference_id: Annotated[
        str | None, Field(description='As sent; auto:… for a command without a time.')
    ]
    status_change_timestamp: Annotated[
        int, Field(description="Unix seconds, as sent; else the broker's time.")
    ]
    topic: str
    partition: int
    offset: int
    outcome: Annotated[str | None, Field(description='With Prefer: wait.')] = None


class Result(BaseModel):
    """
    The outcome of a command, as in view result, with the detail of view rejected for a rejected one.
    """

    network_id: Annotated[str | None, Field(title='Network Id')]
    reference_id: Annotated[
        str | None, Field(examples=['ticket-17'], title='Reference Id')
    ]
    segment_id: Annotated[int | None, Field(title='Segment Id')]
    user_id: Annotated[str | None, Field(title='User Id')]
    user_status: Annotated[str | None, Field(examples=['block'], title='User Status')]
    outcome: Annotated[
        str,
        Field(
            description='queued, applied, no_change, ineffective, superseded, duplicate or rejected',
            examples=['applied'],
            title='Outcome',
        ),
    ]
    reason: Annotated[
        str | None, Field(description='The reason of a rejection.', title='Reason')
    ]
    changed_membership: Annotated[bool | None, Field(title='Changed Membership')]
    changed_override: Annotated[bool | None, Field(title='Changed Override')]
    status_change_timestamp: Annotated[
        AwareDatetime | None, Field(title='Status Change Timestamp')
    ]
    received_at: Annotated[AwareDatetime | None, Field(title='Received At')]
    kafka_topic: Annotated[
        str, Field(examples=['segments.commands'], title='Kafka Topic')
    ]
    kafka_partition: Annotated[int, Field(title='Kafka Partition')]
    kafka_epoch: Annotated[int, Field(title='Kafka Epoch')]
    kafka_offset: Annotated[int, Field(title='Kafka Offset')]
    event_id: Annotated[UUID | None, Field(title='Event Id')]
    detail: Annotated[
        str | None,
        Field(description='For a rejection: what is wrong, and where.', title='Detail'),
    ]


class Results(BaseModel):
    """
    Results in the order of their positions.
    """

    results: Annotated[list[Result], Field(title='Results')]
    next: Annotated[
        str | None,
        Field(
            description='The `cursor` of the next page; null on the last page.',
            title='Next',
        ),
    ]
    complete_until: Annotated[
        AwareDatetime | None,
        Field(
            description='The response includes every record received before this time. Null: not known yet.',
            title='Complete Until',
        ),
    ]


class SegmentShown(BaseModel):
    """
    A segment in the registry. archived_at: null unless it is archived.
    """

    network_id: Annotated[str, Field(title='Network Id')]
    segment_id: Annotated[int, Field(title='Segment Id')]
    name: Annotated[str, Field(title='Name')]
    description: Annotated[str | None, Field(title='Description')]
    is_visible: Annotated[bool, Field(title='Is Visible')]
    created_at: Annotated[AwareDatetime, Field(title='Created At')]
    created_by: Annotated[str | None, Field(title='Created By')]
    archived_at: Annotated[AwareDatetime | None, Field(title='Archived At')]


class SegmentsShown(BaseModel):
    """
    Segments by id, including archived and hidden ones.
    """

    segments: Annotated[list[SegmentShown], Field(title='Segments')]


class Size(BaseModel):
    """
    A segment's size, as in view segment_size.
    """

    network_id: Annotated[str, Field(title='Network Id')]
    segment_id: Annotated[int, Field(title='Segment Id')]
    segment_name: Annotated[str, Field(title='Segment Name')]
    members: Annotated[int, Field(title='Members')]
    added: Annotated[int, Field(description='Standing overrides `add`.', title='Added')]
    blocked: Annotated[
        int, Field(description='Standing overrides `block`.', title='Blocked')
    ]


class Sizes(BaseModel):
    """
    The segments of a network by id, empty, archived and hidden ones included.
    """

    sizes: Annotated[list[Size], Field(title='Sizes')]
    complete_until: Annotated[
        AwareDatetime | None,
        Field(
            description='The response includes every record received before this time. Null: not known yet.',
            title='Complete Until',
        ),
    ]


class Step(BaseModel):
    """
    An event of the user in the segment, its effect, and the state after it.
    """

    event_id: Annotated[UUID, Field(title='Event Id')]
    status_change_timestamp: Annotated[
        AwareDatetime, Field(title='Status Change Timestamp')
    ]
    received_at: Annotated[AwareDatetime, Field(title='Received At')]
    user_status: Annotated[str, Field(title='User Status')]
    outcome: Annotated[str, Field(title='Outcome')]
    changed_membership: Annotated[bool | None, Field(title='Changed Membership')]
    changed_override: Annotated[bool | None, Field(title='Changed Override')]
    reference_id: Annotated[str, Field(title='Reference Id')]
    source: Annotated[str, Field(title='Source')]
    actor: Annotated[str | None, Field(title='Actor')]
    description: Annotated[str | None, Field(title='Description')]
    expires_at: Annotated[AwareDatetime | None, Field(title='Expires At')]
    kafka_topic: Annotated[str, Field(title='Kafka Topic')]
    kafka_partition: Annotated[int, Field(title='Kafka Partition')]
    kafka_epoch: Annotated[int, Field(title='Kafka Epoch')]
    kafka_offset: Annotated[int, Field(title='Kafka Offset')]
    is_member_after: Annotated[bool | None, Field(title='Is Member After')]
    override_after: Annotated[str | None, Field(title='Override After')]


class UserSegment(BaseModel):
    """
    The state of a user in a segment, as in view user_segment, and its cause.
    """

    network_id: Annotated[str, Field(examples=['acme'], title='Network Id')]
    segment_id: Annotated[int, Field(examples=[1], title='Segment Id')]
    segment_name: Annotated[str, Field(examples=['Power user'], title='Segment Name')]
    user_id: Annotated[str, Field(examples=['jo@example.com'], title='User Id')]
    is_member: Annotated[bool, Field(title='Is Member')]
    override: Annotated[
        str | None,
        Field(description='add, block or null', examples=['block'], title='Override'),
    ]
    automation_says: Annotated[
        str | None,
        Field(
            description='enter, leave or null',
            examples=['enter'],
            title='Automation Says',
        ),
    ]
    member_since: Annotated[AwareDatetime | None, Field(title='Member Since')]
    override_since: Annotated[AwareDatetime | None, Field(title='Override Since')]
    expires_at: Annotated[
        AwareDatetime | None,
        Field(
            description='When the override expires; null: never.', title='Expires At'
        ),
    ]
    last_change_at: Annotated[AwareDatetime, Field(title='Last Change At')]
    last_recorded_at: Annotated[AwareDatetime, Field(title='Last Recorded At')]
    since: Annotated[
        AwareDatetime | None,
        Field(
            description='member_since; override_since for a non-member.', title='Since'
        ),
    ]
    cause: Annotated[
        str | None,
        Field(
            description='user_status of the event that began the membership; `block` for a blocked user.',
            examples=['block'],
            title='Cause',
        ),
    ]
    reference_id: Annotated[
        str | None,
        Field(
            description='Of that event.', examples=['ticket-17'], title='Reference Id'
        ),
    ]
    description: Annotated[
        str | None,
        Field(description='Of that event.', examples=['Reseller'], title='Description'),
    ]
    metadata: Annotated[
        dict[str, Any] | None, Field(description='Of that event.', title='Metadata')
    ]
    event_id: Annotated[
        UUID | None, Field(description='Of that event.', title='Event Id')
    ]
    source: Annotated[
        str | None,
        Field(
            description='Of that event: kafka, http, cli, import, dashboard, retry or expiry, as signed.',
            examples=['http'],
            title='Source',
        ),
    ]
    actor: Annotated[
        str | None,
        Field(
            description='The person or service behind that event, as signed; null without a signature.',
            title='Actor',
        ),
    ]
    override_reference_id: Annotated[
        str | None,
        Field(
            description='Of the event that last stated the override.',
            title='Override Reference Id',
        ),
    ]
    override_description: Annotated[str | None, Field(title='Override Description')]
    override_metadata: Annotated[
        dict[str, Any] | None, Field(title='Override Metadata')
    ]
    override_event_id: Annotated[UUID | None, Field(title='Override Event Id')]
    override_source: Annotated[
        str | None,
        Field(
            description='Of that event: kafka, http, cli, import, dashboard, retry or expiry, as signed.',
            title='Override Source',
        ),
    ]
    override_actor: Annotated[
        str | None,
        Field(
            description='The person or service behind that event, as signed; null without a signature.',
            title='Override Actor',
        ),
    ]


class UserSegments(BaseModel):
    """
    The segments with an event of a user, by id: all of them, or the first page; see `next`.
    """

    segments: Annotated[list[UserSegment], Field(title='Segments')]
    next: Annotated[
        str | None,
        Field(
            description='The `cursor` of the next page; null on the last page.',
            title='Next',
        ),
    ]
    complete_until: Annotated[
        AwareDatetime | None,
        Field(
            description='The response includes every record received before this time. Null: not known yet.',
            title='Complete Until',
        ),
    ]


class Explanation(BaseModel):
    """
    Why a user is in a segment, or not. events: the newest, in chronological order.

    A page may be shorter than `limit` and not the last; `next` leads to earlier events.
    """

    now: Annotated[Now | None, Field(description='Null: no event is projected yet.')]
    events: Annotated[list[Step], Field(title='Events')]
    next: Annotated[
        str | None,
        Field(
            description='The `cursor` of the next page; null on the last page.',
            title='Next',
        ),
    ]
    complete_until: Annotated[
        AwareDatetime | None,
        Field(
            description='The response includes every record received before this time. Null: not known yet.',
            title='Complete Until',
        ),
    ]


class OneMember(BaseModel):
    """
    One user in one segment. members: the user's row as in a page; empty for a non-member.
    """

    members: Annotated[list[Member], Field(title='Members')]
    next: Annotated[None, Field(title='Next')]
    state: UserSegment
    complete_until: Annotated[
        AwareDatetime | None,
        Field(
            description='The response includes every record received before this time. Null: not known yet.',
            title='Complete Until',
        ),
    ]
