"""What the API responds if it refuses a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

from segments_client.models import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

# 502 and 504 are from a proxy in between.
RETRIED = frozenset({408, 429, 502, 503, 504})


class ProblemError(Exception):
    """A request was refused. problem: why; retry_after: seconds to wait before it is sent again, if the API said so."""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(f"{problem.status} {problem.reason}: {problem.detail}")
        self.problem = problem
        self.retry_after = retry_after


def raise_problem(response: httpx2.Response) -> None:
    """Raise ProblemError unless the response is a success."""
    if response.is_success:
        return
    if response.headers.get("Content-Type", "").startswith("application/problem+json"):
        problem = Problem.model_validate_json(response.content)
    else:  # from a proxy in between
        problem = Problem(
            type="about:blank",
            title=response.reason_phrase,
            status=response.status_code,
            detail=response.text[:200],
            reason="unknown",
        )
    after = response.headers.get("Retry-After", "")
    raise ProblemError(problem, float(after) if after.isdecimal() else None)


def backoff(most: float) -> Callable[[Exception], bool | float]:
    """Return what stamina asks after each failure: whether to try again, or after how many seconds, at most `most`."""

    def decide(error: Exception) -> bool | float:
        if isinstance(error, ProblemError):
            if error.problem.status not in RETRIED:
                return False
            return True if error.retry_after is None else min(error.retry_after, most)
        return isinstance(error, httpx2.TransportError)

    return decide
