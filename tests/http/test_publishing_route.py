"""A route that publishes returns its errors as problems by itself: nothing of the framework is around it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it
from structlog.testing import capture_logs

from service.http.kit.problems import Problem, unavailable
from service.http.publishing.bare_route import Answer, PublishingRoute
from service.runtime.errors import DatabaseAwayError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message


async def call(endpoint: Callable[[Request], Any]) -> tuple[int, dict[bytes, bytes], Any]:
    """Call a route without an app; gives status, headers and what its body says."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> NoReturn:
        raise AssertionError

    route = PublishingRoute("/path", endpoint, methods=["POST"], response_model=None)
    scope = {"type": "http", "path": "/path", "headers": [], "state": {"request_id": "r1"}}
    await route.app(scope, receive, send)
    start, body = messages
    return start["status"], dict(start["headers"]), json.loads(body["body"])


async def test_an_answer_is_sent_with_its_length_and_its_headers() -> None:
    async def endpoint(_request: Request) -> Answer:
        return Answer(201, b'{"a": 1}', ((b"preference-applied", b"wait=1"),))

    assert await call(endpoint) == (
        201,
        {
            b"content-type": b"application/json",
            b"content-length": b"8",
            b"preference-applied": b"wait=1",
        },
        {"a": 1},
    )


@pytest.mark.parametrize(
    ("error", "status", "published"),
    [
        (DatabaseAwayError(), 503, "no"),
        (unavailable("broker_away", "why", "unknown"), 503, "unknown"),
        (Problem(400, "invalid_field", "why"), 400, None),
    ],
)
async def test_an_error_says_that_nothing_was_published_unless_it_says_otherwise(
    error: Exception, status: int, published: str | None
) -> None:
    async def endpoint(_request: Request) -> Answer:
        raise error

    with capture_logs() as logs:
        answered, headers, problem = await call(endpoint)
    assert (answered, problem["status"], problem.get("published")) == (status, status, published)
    assert headers[b"content-type"] == b"application/problem+json"
    assert not logs


async def test_a_fault_of_our_own_is_logged_with_its_request_and_is_a_problem() -> None:
    async def endpoint(_request: Request) -> Answer:
        raise KeyError("x")

    with capture_logs() as logs:
        answered, _, problem = await call(endpoint)
    assert (answered, problem["reason"]) == (500, "internal")
    (entry,) = logs
    assert (entry["event"], entry["path"], entry["request_id"]) == (
        "a request failed",
        "/path",
        "r1",
    )
