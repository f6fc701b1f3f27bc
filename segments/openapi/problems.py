"""The problems that a call can return: each status only where it can occur."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, NamedTuple

from schemas.command.refusal import FieldError
from service.http.kit.problems import IN_DOUBT, MEDIA_TYPE, Problem
from service.http.publishing import openapi


class _Example(NamedTuple):
    """A problem of a status: a reason, for the example, and the description."""

    reason: str
    description: str


_OF_ANY = {
    401: _Example("unauthenticated", "The API key is missing or not valid."),
    403: _Example("forbidden", "The key has no right to this call or network."),
    429: _Example(
        "too_many_requests",
        "The rate limit of the key, or of changes to the network's segments, is exceeded;"
        " see RateLimit-Reset and Retry-After.",
    ),
    503: _Example(
        "database_away",
        "The broker or the database is unavailable, or too many requests are in flight, in total or of this network;"
        " see Retry-After.",
    ),
}
_OF_INPUT = {
    400: _Example(
        "invalid_field", "The body or a parameter is wrong; `errors` lists each wrong field."
    )
}
_OF_BODIES = {
    408: _Example("timeout", "The body did not arrive in time."),
    413: _Example("too_large", "Too large."),
    415: _Example("unsupported_encoding", "The body has a Content-Encoding other than `identity`."),
}
# Only for calls that list the status among their responses.
_IF_LISTED = {
    404: _Example("unknown_segment", "No such segment, user or result."),
    406: _Example("not_acceptable", "No media type in Accept is available."),
    409: _Example(
        "name_taken",
        "The name or the id is taken, no id is left, or the network has the maximum number of segments.",
    ),
}
# Only for one call.
_OF_CALL = {
    openapi.ONE["operation_id"]: {
        403: _Example(
            "not_allowed",
            "The key may not publish in this network, or the topic may not carry this command.",
        ),
        404: _Example("unknown_segment", "No such segment in this network."),
        409: _Example("segment_archived", "The segment is archived."),
    },
    openapi.BATCH["operation_id"]: {
        413: _Example(
            "too_large",
            "Too large, or more commands than the key's rate limit ever allows at once.",
        ),
    },
}
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "reason"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:segments:problem:invalid_field"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string", "description": "The cause, for programs."},
        "published": {
            "enum": ["no", "unknown"],
            "description": "For a command: whether it may be in Kafka.",
        },
        "line": {
            "type": "integer",
            "description": "For an item of an NDJSON batch: its line, from 1.",
        },
        "errors": {
            "type": "array",
            "description": "Each wrong field.",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer (RFC 6901)."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def add_problems(operation: dict[str, Any]) -> None:
    """Add the problems to an operation's responses. Its parameters must be complete, except the request id."""
    responses = operation["responses"]
    possible = _possible(operation)
    for status in (*possible, 422):  # 422: FastAPI's status for 400
        responses.pop(str(status), None)
    possible |= _OF_CALL.get(operation["operationId"], {})
    for status, example in sorted(possible.items()):
        has_published = openapi.TAG in operation["tags"] and status in IN_DOUBT
        responses[str(status)] = _response(status, example, "no" if has_published else None)


def _possible(operation: dict[str, Any]) -> dict[int, _Example]:
    """Return the possible statuses."""
    has_body = "requestBody" in operation
    possible = dict(_OF_ANY)
    if has_body or any(one["name"] != "network_id" for one in operation["parameters"]):
        possible |= _OF_INPUT
    if has_body:
        possible |= _OF_BODIES
    return possible | {
        status: example
        for status, example in _IF_LISTED.items()
        if str(status) in operation["responses"]
    }


def _response(status: int, problem: _Example, published: str | None) -> dict[str, Any]:
    errors = [FieldError("/segment_id", "is required")] if status == HTTPStatus.BAD_REQUEST else []
    example = Problem(status, *problem, errors=errors, published=published).body()
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": problem.description,
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }
