"""Validation of a segment's name and description, shared by command line, file and API."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from schemas.command.json_text import has_unstorable_character
from schemas.command.rules import MAX_DESCRIPTION_LENGTH, MAX_SEGMENT_ID

MAX_NAME_LENGTH: Final = 255
# C0, DEL, C1, Unicode's line and paragraph separators, and lone surrogates.
_NOT_IN_A_NAME: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def name_fault(name: str) -> str | None:
    """Return the fault of a segment's name, or None."""
    if not name or len(name) > MAX_NAME_LENGTH or _NOT_IN_A_NAME.search(name):
        return f"must be 1 to {MAX_NAME_LENGTH} characters on one line, without control characters"
    if name != name.strip():  # it would look like the name without white space
        return "must neither begin nor end with white space"
    return None


def description_fault(description: str) -> str | None:
    """Return the fault of a segment's description, or None. An empty description counts as none."""
    if len(description) > MAX_DESCRIPTION_LENGTH:
        return f"is {len(description)} characters long; the limit is {MAX_DESCRIPTION_LENGTH}"
    if has_unstorable_character(description):
        return "contains NUL or a lone surrogate, which can't be stored"
    return None


def _name(name: str) -> str:
    if (fault := name_fault(name)) is not None:
        raise ValueError(fault)
    return name


def _description(description: str) -> str:
    if (fault := description_fault(description)) is not None:
        raise ValueError(fault)
    return description


SegmentName = Annotated[
    str,
    AfterValidator(_name),
    Field(
        examples=["Power user"],
        json_schema_extra={"minLength": 1, "maxLength": MAX_NAME_LENGTH, "pattern": r"^\S(.*\S)?$"},
    ),
]
SegmentDescription = Annotated[
    str,
    AfterValidator(_description),
    Field(json_schema_extra={"maxLength": MAX_DESCRIPTION_LENGTH}),
]
SegmentId = Annotated[int, Field(ge=1, le=MAX_SEGMENT_ID)]
