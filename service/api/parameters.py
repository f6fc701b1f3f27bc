"""Query parameters: each one known and sent once: a misspelt or repeated one would be another question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from schemas.json_text import escape
from schemas.refusal import FieldError, Reason, Refusal, describe
from service.api.problems import of_refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from service.api.problems import Problem


class NothingAsked(BaseModel):
    """No parameter."""

    model_config = ConfigDict(extra="forbid")


Nothing = Annotated[NothingAsked, Query()]


def wrong(name: str, message: str) -> Problem:
    """Give the problem 400 of one parameter, or with no name of a header."""
    errors = [FieldError(f"/{escape(name)}" if name else "", message)]
    return of_refusal(Refusal(Reason.INVALID_FIELD, describe(errors), errors))


def refuse_repeated(request: Request) -> None:
    """Refuse a parameter that was sent more than once. Raises: Problem 400."""
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name in seen:
            raise wrong(name, "was sent more than once")
        seen.add(name)
