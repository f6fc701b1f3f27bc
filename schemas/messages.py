"""The shapes of what travels, for readers and generators: JSON Schema and AsyncAPI come from here.

`schemas.command` decides what is accepted, and is quicker and stricter than a schema can be; a
test holds the two together by the files in `schemas/examples/`.
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

# In JSON Schema \Z is no anchor; its $ is the end of the text, also where a newline ends it.
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
    """Free, at most 16 KiB as sent. Three names have the meaning that they have beside it."""

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
    """What a publisher asks for: one command, one record on `<prefix>.commands`."""

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
                "An email or a user id. One with @ is an email: trimmed of ASCII white space, "
                f"A-Z become a-z. At most {MAX_USER_LENGTH} characters after that, and not white space alone."
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
            description="The segment, which must exist in that network and not be archived.",
        ),
    ]
    user_status: Annotated[
        Literal["add", "block", "reset", "enter", "leave"],
        Field(description="enter and leave come from automation, and not over HTTP."),
    ]
    metadata: Annotated[
        Metadata | Blank, Field(description=f"Free; kept and queryable. {{}}, {_BLANK}")
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
                "after the receipt. Give it, or the header idempotency-key, if retries are to be "
                f"safe. Absent: the time of receipt. {_BLANK}"
            )
        ),
    ] = None
    description: Annotated[Description | Blank, Field(description=f"Why. {_BLANK}")] = None
    expires_at: Annotated[
        Annotated[int, Field(lt=END_OF_TIME)] | Blank,
        Field(
            description=(
                "When the override is to lapse, in Unix seconds: after the command's time, before "
                f"2100. With add and block only. {_BLANK}"
            )
        ),
    ] = None


class RejectedMessage(BaseModel):
    """A record that was refused, on `<prefix>.rejected`; told at least once."""

    model_config = ConfigDict(title="Rejected record")

    kafka_topic: str
    kafka_partition: int
    kafka_epoch: int
    kafka_offset: int
    next_offset: Annotated[
        int,
        Field(
            description="Where it ends: kafka_offset + 1, but for a batch that could not be read as a whole."
        ),
    ]
    received_at: AwareDatetime
    recorded_at: AwareDatetime
    reason: Reason
    detail: Annotated[str, Field(description="What is wrong, where, and what may have caused it.")]
    network_id: str | None
    reference_id: str | None
    payload_text: Annotated[
        str | None,
        Field(description="The value, invalid bytes and NUL as U+FFFD; null for a tombstone."),
    ]
    payload_is_cut: Annotated[
        bool, Field(description="Whether payload_text is only a beginning; the view has it whole.")
    ]


class MembershipMessage(BaseModel):
    """What now stands for one user in one segment, on `<prefix>.memberships`; in transactions, at least once."""

    model_config = ConfigDict(title="Membership")

    network_id: str
    segment_id: int
    user_id: str
    is_member: bool
    override: Literal["add", "block"] | None
    last_change_at: AwareDatetime | None
    last_recorded_at: AwareDatetime
