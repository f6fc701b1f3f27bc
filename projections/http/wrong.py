"""A wrong parameter, as a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.refusal import FieldError, Reason, Refusal, describe
from service.api.problems import of_refusal

if TYPE_CHECKING:
    from service.api.problems import Problem


def wrong(name: str, message: str) -> Problem:
    """Give the problem 400 of one parameter."""
    errors = [FieldError(f"/{name}", message)]
    return of_refusal(Refusal(Reason.INVALID_FIELD, describe(errors), errors))
