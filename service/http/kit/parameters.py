"""Parameters: in UTF-8, an id in one way; of the query each is known and sent once, else it is another question."""

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
# More digits than any bound has, and fewer than Python refuses to read.
_ENOUGH_DIGITS = 20


class EmptyQuery(BaseModel):
    """No parameter."""

    model_config = ConfigDict(extra="forbid")


Nothing = Annotated[EmptyQuery, Query()]


def _is_plain(text: Any) -> Any:
    """Refuse what pydantic would take for an integer besides: `1.0`, `+1`, `01`. Raises: ValueError.

    One that is far too large is cut to one that is still too large: it is refused by its bounds.
    """
    if not _PLAIN.fullmatch(text):
        raise ValueError("must be a plain decimal integer")
    return text[:_ENOUGH_DIGITS]


# Of an integer in a path or a query; after its bounds, or JSON Schema would not know them.
PLAIN = BeforeValidator(_is_plain)
# The id of a segment in a path: one address for one segment.
PathId = Annotated[int, Field(ge=1, le=MAX_SEGMENT_ID), PLAIN, Path()]


def wrong(name: str, message: str) -> Problem:
    """Give the problem 400 of one parameter, or with no name of a header."""
    errors = [FieldError(f"/{escape(name)}" if name else "", message)]
    return of_refusal(Refusal(Reason.INVALID_FIELD, describe(errors, whole=""), errors))


def refuse_misread(request: Request) -> None:
    """Refuse what would be read as another parameter than was sent. Raises: Problem 400.

    That is one sent more than once, and what is not UTF-8: the framework reads U+FFFD, which may be somebody's name.
    """
    for name, value in request.path_params.items():
        if "\ufffd" in value and not _is_utf8(request.scope["raw_path"]):
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
    """Whether a part of a URL is UTF-8, percent-encoded."""
    try:
        unquote_to_bytes(escaped).decode()
    except UnicodeDecodeError:
        return False
    return True
