"""The formats of messages, as pydantic models: the source of the JSON Schema and AsyncAPI documents.

`schemas.command` decides what is accepted; it is faster and stricter than a schema can be. A test compares
the two by the files in `schemas/examples/`.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.command.refusal import Reason
from schemas.command.rules import (
    END_OF_TIME,
    MAX_DESCRIPTION_LENGTH,
    MAX_REFERENCE_LENGTH,
    MAX_SEGMENT_ID,
    MAX_USER_LENGTH,
    NETWORK_PATTERN,
    NOT_BLANK_PATTERN,
    OVERRIDES,
)

# JSON Schema has no \Z; its $ matches only the end of the text.
_WHOLE_NETWORK: Final = f"^{NETWORK_PATTERN}$"
_BLANK: Final = 'null and "" are absent.'

Blank = Literal[""] | None
Reference = Annotated[
    str,
    Field(
        max_length=MAX_REFERENCE_LENGTH, json_schema_extra={"not": {"pattern": "^(auto|expire):"}}
    ),
]
Description = Annotated[str, Field(max_length=MAX_DESCRIPTION_LENGTH)]
UnixSeconds = Annotated[int, Field(description="Unix seconds, without fraction or exponent.")]


class Metadata(BaseModel):
    """Free-form, at most 16 KiB as sent. Three names have the same meaning as at the top level."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"title": "Metadata"})

    reference_id: Reference | Blank = None
    status_change_timestamp: UnixSeconds | Blank = None
    description: Description | Blank = None


def _only_overrides_expire(schema: dict[str, Any]) -> None:
    schema["if"] = {
        "properties": {"expires_at": {"type": "integer"}},
        "required": ["expires_at"],
    }
    overrides = [status.text for status in sorted(OVERRIDES)]
    schema["then"] = {"properties": {"user_status": {"enum": overrides}}}


class CommandMessage(BaseModel):
    """A publisher's request: one command, one record on `<prefix>.commands`."""

    model_config = ConfigDict(
        extra="forbid",
        title="Segment command",
        json_schema_extra=_only_overrides_expire,
    )

    network_id: Annotated[
        str,
        Field(
            pattern=_WHOLE_NETWORK,
            description="The tenant. Over HTTP it comes from the path and may be left out here.",
        ),
    ]
    user: Annotated[
        str,
        Field(
            min_length=1,
            description=(
                "An email or a user id. An identifier with @ is an email: ASCII white space is trimmed, A-Z "
                f"become a-z. At most {MAX_USER_LENGTH} characters after that, and not only white space."
            ),
            json_schema_extra={
                "pattern": NOT_BLANK_PATTERN,
                "anyOf": [{"maxLength": MAX_USER_LENGTH}, {"pattern": "@"}],
            },
        ),
    ]
    segment_id: Annotated[
        int,
        Field(
            ge=1,
            le=MAX_SEGMENT_ID,
            description="The segment; it must exist in the network and not be archived.",
        ),
    ]
    user_status: Annotated[
        Literal["add", "block", "reset", "enter", "leave"],
        Field(description="enter and leave are for automation, and are not accepted over HTTP."),
    ]
    metadata: Annotated[
        Metadata | Blank, Field(description=f"Free-form; stored and queryable. {{}}, {_BLANK}")
    ] = None
    reference_id: Annotated[
        Reference | Blank,
        Field(description=f"The publisher's own id, for reporting; may repeat. {_BLANK}"),
    ] = None
    status_change_timestamp: Annotated[
        UnixSeconds | Blank,
        Field(
            description=(
                "When it happened, in Unix seconds: not before 1990, not later than 5 minutes "
                "after the receipt. Retries are safe only with it or with the header idempotency-key. "
                f"Default: the time of receipt. {_BLANK}"
            )
        ),
    ] = None
    description: Annotated[Description | Blank, Field(description=f"Why. {_BLANK}")] = None
    expires_at: Annotated[
        Annotated[int, Field(lt=END_OF_TIME)] | Blank,
        Field(
            description=(
                "When the override expires, in Unix seconds: after the command's time, before 2100. "
                f"Only with add and block. {_BLANK}"
            )
        ),
    ] = None


class RejectedMessage(BaseModel):
    """A rejected record, on `<prefix>.rejected`; published at least once."""

    model_config = ConfigDict(title="Rejected record")

    kafka_topic: str
    kafka_partition: int
    kafka_epoch: int
    kafka_offset: int
    next_offset: Annotated[
        int,
        Field(
            description="The offset after it: kafka_offset + 1, or the end of the batch if all of it is unreadable."
        ),
    ]
    received_at: AwareDatetime
    recorded_at: AwareDatetime
    reason: Reason
    detail: Annotated[str, Field(description="What is wrong, where, and a guess at the cause.")]
    network_id: str | None
    reference_id: str | None
    payload_text: Annotated[
        str | None,
        Field(description="The value, invalid bytes and NUL as U+FFFD; null for a tombstone."),
    ]
    payload_is_cut: Annotated[
        bool,
        Field(
            description="Whether payload_text is truncated; view reporting.rejected has all of it."
        ),
    ]


class MembershipMessage(BaseModel):
    """The current state of one user in one segment, on `<prefix>.memberships`; in transactions, at least once."""

    model_config = ConfigDict(title="Membership")

    network_id: str
    segment_id: int
    user_id: str
    is_member: bool
    override: Literal["add", "block"] | None
    last_change_at: AwareDatetime | None
    last_recorded_at: AwareDatetime
