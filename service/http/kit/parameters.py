"""Parameters in paths and queries: valid UTF-8, plain integers, each query parameter known and sent once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote_plus, unquote_to_bytes

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from schemas.command.json_text import escape
from schemas.command.refusal import FieldError, Reason, Refusal, describe
from schemas.command.rules import MAX_SEGMENT_ID
from service.http.kit.problems import of_refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from service.http.kit.problems import Problem


_NOT_UTF8 = "must be UTF-8, percent-encoded"
_PLAIN = re.compile("-?[1-9][0-9]*|0")
# More digits than any bound has, and fewer than Python's limit for int().
_ENOUGH_DIGITS = 20


class EmptyQuery(BaseModel):
    """No parameter."""

    model_config = ConfigDict(extra="forbid")


Nothing = Annotated[EmptyQuery, Query()]


def _is_plain(text: Any) -> Any:
    """Refuse other spellings that pydantic accepts as integers: `1.0`, `+1`, `01`. Raises: ValueError.

    A number with too many digits is shortened to one that the bounds still refuse.
    """
    if not _PLAIN.fullmatch(text):
        raise ValueError("must be a plain decimal integer")
    return text[:_ENOUGH_DIGITS]


# For an integer in a path or a query. Write it after the bounds, or they are missing in the JSON Schema.
PLAIN = BeforeValidator(_is_plain)
# The id of a segment in a path; each segment has exactly one URL.
PathId = Annotated[int, Field(ge=1, le=MAX_SEGMENT_ID), PLAIN, Path()]


def wrong(name: str, message: str) -> Problem:
    """Return the problem 400 of a parameter, or of a header if there is no name."""
    errors = [FieldError(f"/{escape(name)}" if name else "", message)]
    return of_refusal(Refusal(Reason.INVALID_FIELD, describe(errors, whole=""), errors))


def refuse_misread(request: Request) -> None:
    """Refuse parameters that the framework would misread. Raises: Problem 400.

    Those are parameters sent more than once, and invalid UTF-8, which it replaces by U+FFFD, a valid identifier.
    """
    for name, value in request.path_params.items():
        if "\ufffd" in str(value) and not _is_utf8(request.scope["raw_path"]):
            raise wrong(name, _NOT_UTF8)
    for part in request.scope["query_string"].split(b"&"):
        if not _is_utf8(part):
            raise wrong(unquote_plus(part.partition(b"=")[0].decode("latin-1")), _NOT_UTF8)
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name in seen:
            raise wrong(name, "was sent more than once")
        seen.add(name)


def _is_utf8(escaped: bytes) -> bool:
    """Whether a part of a URL is percent-encoded UTF-8."""
    try:
        unquote_to_bytes(escaped).decode()
    except UnicodeDecodeError:
        return False
    return True
