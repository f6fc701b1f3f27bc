"""The query parameters of the routes that read. Unknown ones are refused; a misspelt as_of must not mean now."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from starlette.convertors import Convertor, register_url_convertor

from projections.queries.explain import EVENTS_LIMIT, EVENTS_LIMIT_MOST
from projections.queries.moments import EPOCH, read_moment
from projections.queries.results import PositionQuery
from projections.queries.rows import Moment
from schemas.command.rules import MAX_USER_LENGTH, normalise_user
from service.http.kit.parameters import PLAIN, wrong

MEMBERS_LIMIT, MEMBERS_LIMIT_MOST = 500, 5_000
RESULTS_LIMIT, RESULTS_LIMIT_MOST = 100, 1_000
# A token has some bytes for each lane, a cursor may hold one.
SNAPSHOT_LONGEST, CURSOR_LONGEST = 8_000, 12_000
_POSITION = re.compile(r"([A-Za-z0-9._-]{1,249}):([0-9]+):(?:([0-9]+):)?([0-9]+)")
_AUTO = re.compile(r"auto:([A-Za-z0-9._-]{1,249})-([0-9]{1,10})-([0-9]{1,19})")
_MOST = 2**31 - 1
_MOST_OFFSET = 2**63 - 1


def micros(moment: datetime | None) -> int | None:
    """Convert a moment to Unix microseconds."""
    return None if moment is None else (moment - EPOCH) // timedelta(microseconds=1)


def of_micros(moment: int | None) -> datetime | None:
    """Convert Unix microseconds to a moment."""
    return None if moment is None else EPOCH + timedelta(microseconds=moment)


def is_text(text: str) -> str:
    """Check that Postgres can store a text. Raises: ValueError."""
    if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("must contain neither NUL nor lone surrogates")
    return text


def is_user(user: str) -> str:
    """Normalise a user, and check that it can be one. Raises: ValueError."""
    normal = normalise_user(is_text(user))
    if not 1 <= len(normal) <= MAX_USER_LENGTH:
        raise ValueError(f"must have 1 to {MAX_USER_LENGTH} characters")
    if normal.isspace():
        raise ValueError("must not be only white space")
    return normal


class _AnyText(Convertor[str]):
    """A part of a path with any characters, slashes and line breaks included: `{user:any}`."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("any", _AnyText())
_ABOUT_USER = (
    "An email or a user id, normalised as in a command; or `erased:<n>` for an erased user."
)
Time = Annotated[
    datetime,
    BeforeValidator(read_moment, json_schema_input_type=str),
    Field(examples=["2026-01-31T12:00:00Z", "1767225600"]),
]
User = Annotated[str, AfterValidator(is_user), Path(description=_ABOUT_USER)]
_CLOSED = ConfigDict(extra="forbid")


class UserQuery(BaseModel):
    """A user in the query string, for identifiers with a slash."""

    model_config = _CLOSED

    user: Annotated[
        str | None,
        AfterValidator(lambda user: None if user is None else is_user(user)),
        Field(
            description=f"{_ABOUT_USER} Replaces the user of the path; any identifier is possible here."
        ),
    ] = None

    def which(self, of_path: str | None = None) -> str:
        """Return the user of the query or the path. Raises: Problem 400."""
        user = self.user or of_path
        if user is None:
            raise wrong("user", "is required")
        return user


class EventsQuery(UserQuery):
    """Events of a user in a segment: the newest, or those before a cursor."""

    limit: Annotated[
        int,
        Field(
            ge=1,
            le=EVENTS_LIMIT_MOST,
            description="Maximum number of events; the newest are returned.",
        ),
        PLAIN,
    ] = EVENTS_LIMIT
    cursor: Annotated[
        str | None,
        Field(min_length=1, max_length=CURSOR_LONGEST, description="`next` of the previous page."),
    ] = None


class UserAtMomentQuery(UserQuery):
    """A user, now or at another moment."""

    as_of: Annotated[
        Time | None,
        Field(description="State after all events up to this time; RFC 3339 or Unix seconds."),
    ] = None
    known_at: Annotated[
        Time | None, Field(description="Only what was recorded up to this time.")
    ] = None
    snapshot: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=SNAPSHOT_LONGEST,
            description="As shown with this `Segments-Snapshot`; not together with known_at.",
        ),
        AfterValidator(lambda text: None if text is None else is_text(text)),
    ] = None

    @property
    def moment(self) -> Moment:
        """The requested moment. Raises: Problem 400."""
        if self.snapshot is not None and self.known_at is not None:
            raise wrong("snapshot", "can't be combined with known_at")
        return Moment(self.as_of, self.known_at, self.snapshot)


class SegmentsQuery(UserAtMomentQuery):
    """The segments of a user."""

    cursor: Annotated[
        str | None,
        Field(min_length=1, max_length=CURSOR_LONGEST, description="`next` of the previous page."),
    ] = None


class MembersQuery(UserAtMomentQuery):
    """The members of a segment, or one of them."""

    sort: Annotated[
        Literal["since", "-since"] | None,
        Field(
            description="By `since`: the earliest first, or with `-` the latest. For pages of the present members."
        ),
    ] = None
    limit: Annotated[
        int | None,
        Field(
            ge=1,
            le=MEMBERS_LIMIT_MOST,
            description=f"Maximum number of members. Default: {MEMBERS_LIMIT} in a page, all in a stream.",
        ),
        PLAIN,
    ] = None
    cursor: Annotated[
        str | None,
        Field(min_length=1, max_length=CURSOR_LONGEST, description="`next` of the previous page."),
    ] = None


class ResultsQuery(BaseModel):
    """Results by reference or by position."""

    model_config = _CLOSED

    reference_id: Annotated[
        str | None,
        Field(min_length=1, max_length=400, description="As sent, or as returned by the API."),
        AfterValidator(lambda text: None if text is None else is_text(text)),
    ] = None
    position: Annotated[
        str | None,
        Field(
            max_length=300,
            description="topic:partition:offset, or topic:partition:epoch:offset",
            examples=["segments.commands:3:4711"],
        ),
    ] = None
    limit: Annotated[int, Field(ge=1, le=RESULTS_LIMIT_MOST), PLAIN] = RESULTS_LIMIT
    cursor: Annotated[
        str | None,
        Field(min_length=1, max_length=CURSOR_LONGEST, description="`next` of the previous page."),
    ] = None


def read_position(text: str) -> PositionQuery:
    """Parse topic:partition:offset or topic:partition:epoch:offset. Raises: Problem 400."""
    match = _POSITION.fullmatch(text)
    if not match:
        raise wrong("position", "must be topic:partition:offset or topic:partition:epoch:offset")
    epoch = None if match[3] is None else int(match[3])
    position = PositionQuery(match[1], int(match[2]), epoch, int(match[4]))
    if max(position.partition, epoch or 0) > _MOST:
        raise wrong("position", f"has a partition or an epoch above {_MOST}")
    if position.offset > _MOST_OFFSET:
        raise wrong("position", f"has an offset above {_MOST_OFFSET}")
    return position


def position_of_reference(reference_id: str) -> PositionQuery | None:
    """Return the position in a generated reference (auto:…) of a command without a time; None for other references."""
    match = _AUTO.fullmatch(reference_id)
    if match is None or int(match[2]) > _MOST or int(match[3]) > _MOST_OFFSET:
        return None
    return PositionQuery(match[1], int(match[2]), None, int(match[3]))


Members = Annotated[MembersQuery, Query()]
OneUserAtMoment = Annotated[UserAtMomentQuery, Query()]
OneUserSegments = Annotated[SegmentsQuery, Query()]
OneUserEvents = Annotated[EventsQuery, Query()]
Results = Annotated[ResultsQuery, Query()]
