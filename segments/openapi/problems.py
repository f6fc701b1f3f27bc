"""The problems that a call may answer: each status where it can happen, and nowhere else."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, NamedTuple

from schemas.command.refusal import FieldError
from service.http.kit.problems import IN_DOUBT, MEDIA_TYPE, Problem
from service.http.publishing import openapi


class _Said(NamedTuple):
    """Of a status: a reason that it is answered for, as the example, and what it says."""

    reason: str
    says: str


_OF_ANY = {
    401: _Said("unauthenticated", "No key, or none that is good."),
    403: _Said("forbidden", "The key may not do this, or not in this network."),
    429: _Said(
        "too_many_requests",
        "Too much for this key, or too many changes of its network's segments;"
        " RateLimit-Reset and Retry-After say how long to wait.",
    ),
    503: _Said(
        "database_away",
        "The broker or the database is away, or too many requests are in flight, of all or of this network;"
        " see Retry-After.",
    ),
}
_OF_INPUT = {
    400: _Said("invalid_field", "A wrong body or parameter; `errors` names each wrong field.")
}
_OF_BODIES = {
    408: _Said("timeout", "The body did not come in time."),
    413: _Said("too_large", "Too large."),
    415: _Said("unsupported_encoding", "The body has a Content-Encoding other than `identity`."),
}
# Of those calls alone that name the status among their responses.
_OF_THOSE_THAT_SAY_SO = {
    404: _Said("unknown_segment", "No such segment, user or result."),
    406: _Said("not_acceptable", "Accept names nothing that there is of it."),
    409: _Said(
        "name_taken",
        "The name or the id is taken, no id is left, or the network has as many as it may.",
    ),
}
# Of one call alone.
_OF_CALL = {
    openapi.ONE["operation_id"]: {
        403: _Said(
            "not_allowed", "The key may not publish in this network, or the topic may not say that."
        ),
        404: _Said("unknown_segment", "No such segment in this network."),
        409: _Said("segment_archived", "The segment is archived."),
    },
    openapi.BATCH["operation_id"]: {
        413: _Said(
            "too_large",
            "Too large, or more commands than the key may ever send at once by its rate.",
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
        "reason": {"type": "string", "description": "A word for programs."},
        "published": {
            "enum": ["no", "unknown"],
            "description": "Of a command: whether it may be in Kafka.",
        },
        "line": {
            "type": "integer",
            "description": "Of an item of a batch of lines: its own, from 1.",
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
    """Fill in an operation's responses. Its parameters are those that may be wrong, and the network."""
    responses = operation["responses"]
    possible = _possible(operation)
    for status in (*possible, 422):  # 422: FastAPI's own word for 400
        responses.pop(str(status), None)
    possible |= _OF_CALL.get(operation["operationId"], {})
    for status, said in sorted(possible.items()):
        told = openapi.TAG in operation["tags"] and status in IN_DOUBT
        responses[str(status)] = _response(status, said, "no" if told else None)


def _possible(operation: dict[str, Any]) -> dict[int, _Said]:
    """Tell which statuses can be answered."""
    has_body = "requestBody" in operation
    possible = dict(_OF_ANY)
    if has_body or any(one["name"] != "network_id" for one in operation["parameters"]):
        possible |= _OF_INPUT
    if has_body:
        possible |= _OF_BODIES
    return possible | {
        status: said
        for status, said in _OF_THOSE_THAT_SAY_SO.items()
        if str(status) in operation["responses"]
    }


def _response(status: int, said: _Said, published: str | None) -> dict[str, Any]:
    errors = [FieldError("/segment_id", "is required")] if status == HTTPStatus.BAD_REQUEST else []
    example = Problem(status, *said, errors=errors, published=published).body()
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": said.says,
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }
