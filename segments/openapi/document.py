"""The API as OpenAPI: what FastAPI knows of its routes, the two calls in front of it, and problems everywhere."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from schemas.documents import command_schema
from schemas.refusal import FieldError
from service.api.intake import MAX_ITEMS
from service.api.problems import MEDIA_TYPE, Problem

if TYPE_CHECKING:
    from fastapi import FastAPI

_ABOUT = """\
Commands go to Kafka, and are answered once the broker has them; what became of them is told by `results`, or at
once with `Prefer: wait=N`. Every error is a problem (RFC 9457); of a command that was not taken, `published` says
whether it may be in Kafka all the same. Safe retries: send the same `Idempotency-Key`, or give a
`status_change_timestamp`.
"""
_PROBLEM = {
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
_STATE = {
    "type": "object",
    "description": "A key's state, as view user_segment shows it, with the override's expires_at.",
    "properties": {
        "is_member": {"type": "boolean"},
        "override": {"enum": ["add", "block", None]},
        "automation_says": {"enum": ["enter", "leave", None]},
        **{
            name: {"type": ["string", "null"], "format": "date-time"}
            for name in ("member_since", "override_since", "expires_at")
        },
    },
}
_QUEUED = {
    "type": "object",
    "required": [
        "status",
        "reference_id",
        "status_change_timestamp",
        "topic",
        "partition",
        "offset",
    ],
    "properties": {
        "status": {
            "description": "201 in a batch; else `queued`, or the outcome that was waited for."
        },
        "reference_id": {
            "type": ["string", "null"],
            "description": "As given; auto:… where the time was blank.",
        },
        "status_change_timestamp": {
            "type": "integer",
            "description": "Unix seconds, as given; else the broker's.",
        },
        "topic": {"type": "string"},
        "partition": {"type": "integer"},
        "offset": {"type": "integer"},
        "outcome": {"type": "string", "description": "With Prefer: wait."},
    },
}
# Of each status: a reason that it is answered for, as the example, and what it says.
_PROBLEMS = {
    400: ("invalid_field", "A wrong body or parameter; `errors` names each wrong field."),
    401: ("unauthenticated", "No key, or none that is good."),
    403: ("forbidden", "The key may not do this, or not in this network."),
    404: ("unknown_segment", "No such segment, user or result."),
    408: ("timeout", "The body did not come in time."),
    409: ("name_taken", "The segment is archived, a name is taken, or no id is left."),
    413: ("too_large", "Too large."),
    429: (
        "too_many_requests",
        "Too much for this key; RateLimit-Reset and Retry-After say how long to wait.",
    ),
    503: (
        "database_away",
        "The broker or the database is away, or too many requests are in flight; see Retry-After.",
    ),
}
_HEADERS = {
    "X-Request-Id": "Taken as sent, or made.",
    "RateLimit-Limit": "What the key may send in a window.",
    "RateLimit-Remaining": "What is left of it.",
    "RateLimit-Reset": "Seconds until it begins anew.",
}
_COMMAND = {"$ref": "#/components/schemas/Command"}
_EXAMPLE = {
    "user": "jo@example.com",
    "segment_id": 1,
    "user_status": "add",
    "reference_id": "ticket-4711",
    "status_change_timestamp": 1767225600,
    "description": "Reviews our products",
}


def openapi(app: FastAPI) -> dict[str, Any]:
    """Render OpenAPI 3.1 of the whole API."""
    document = get_openapi(
        title=app.title, version=app.version, description=_ABOUT, routes=app.routes
    )
    document["paths"] = {**_publishing(), **document.get("paths", {}), **_probes()}
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas |= {"Problem": _PROBLEM, "Command": _command(), "Queued": _QUEUED, "State": _STATE}
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        if path.startswith("/networks/"):
            for operation in operations.values():
                _complete(operation)
    return document


def _command() -> dict[str, Any]:
    """A command as it is sent here: the network comes from the path, and automation does not speak HTTP."""
    schema = command_schema()
    schema.pop("$schema")
    schema["required"] = [name for name in schema["required"] if name != "network_id"]
    schema["properties"]["user_status"] = {"type": "string", "enum": ["add", "block", "reset"]}
    schema["examples"] = [_EXAMPLE]
    return schema


def _complete(operation: dict[str, Any]) -> None:
    """Add what every call has: network, request id, the key, and the problems that may be answered."""
    operation["security"] = [{"key": []}]
    parameters = operation.setdefault("parameters", [])
    if all(one["name"] != "network_id" for one in parameters):
        parameters.insert(0, _NETWORK)
    parameters.append(_REQUEST_ID)
    responses = operation["responses"]
    responses.pop("422", None)
    for answer in responses.values():
        answer["headers"] = {
            name: {"schema": {"type": "string"}, "description": said}
            for name, said in _HEADERS.items()
        }
    for status, (reason, said) in _PROBLEMS.items():
        errors = (
            [FieldError("/segment_id", "is required")] if status == HTTPStatus.BAD_REQUEST else []
        )
        example = Problem(status, reason, said, errors=errors).body()
        schema = {"$ref": "#/components/schemas/Problem"}
        content = {MEDIA_TYPE: {"schema": schema, "example": example}}
        responses.setdefault(str(status), {"description": said, "content": content})


def _publishing() -> dict[str, Any]:
    key = _parameter(
        "header", "Idempotency-Key", {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        "The same key and body is one event however often it is sent; in a batch the key of item N is KEY:N.",
    )  # fmt: skip
    wait = _parameter(
        "header", "Prefer", {"type": "string", "examples": ["wait=1"]},
        "wait=N: answer with the outcome, or 202 after N seconds, at most 30.",
    )  # fmt: skip
    dry_run = _parameter(
        "query", "dry_run", {"type": "string", "enum": ["true", "false"]},
        "true: say what would become of it, publish nothing.",
    )  # fmt: skip
    foreseen = {
        "type": "object",
        "properties": {
            "outcome": {"type": "string"},
            "reason": {"type": "string"},
            "detail": {"type": "string"},
            "before": {"$ref": "#/components/schemas/State"},
            "after": {"$ref": "#/components/schemas/State"},
        },
    }
    queued = {"$ref": "#/components/schemas/Queued"}
    item = {"anyOf": [queued, {"$ref": "#/components/schemas/Problem"}]}
    items = {"type": "array", "items": _COMMAND, "minItems": 1, "maxItems": MAX_ITEMS}
    one = {
        "tags": ["commands"],
        "summary": "Publish a command",
        "operationId": "post_command",
        "parameters": [dry_run, key, wait],
        "requestBody": {"required": True, "content": _json(_COMMAND)},
        "responses": {
            "201": {"description": "The broker has it.", "content": _json(queued)},
            "200": {
                "description": "The outcome that was waited for, or that a dry run foresees.",
                "content": _json({"anyOf": [queued, foreseen]}),
            },
            "202": {"description": "No outcome yet.", "content": _json(queued)},
        },
    }
    many = {
        "tags": ["commands"],
        "summary": f"Publish up to {MAX_ITEMS:,} commands",
        "operationId": "post_commands",
        "parameters": [key],
        "requestBody": {
            "required": True,
            "content": {**_json(items), "application/x-ndjson": {"schema": {"type": "string"}}},
        },
        "responses": {
            "207": {
                "description": "What became of each, in their order.",
                "content": _json(
                    {"type": "object", "properties": {"items": {"type": "array", "items": item}}}
                ),
            }
        },
    }
    path = "/networks/{network_id}/segments"
    return {path: {"post": one}, f"{path}/batch": {"post": many}}


def _probes() -> dict[str, Any]:
    said = {
        "/health/live": ("The loop is not stuck", ["200"]),
        "/health/ready": ("Ready: the broker answers; without Postgres `degraded`", ["200", "503"]),
        "/metrics": ("Metrics, for Prometheus", ["200"]),
    }
    return {
        path: {
            "get": {
                "tags": ["probes"],
                "summary": summary,
                "responses": {
                    status: {
                        "description": summary,
                        "content": {"text/plain": {}}
                        if path == "/metrics"
                        else _json({"type": "object"}),
                    }
                    for status in statuses
                },
            }
        }
        for path, (summary, statuses) in said.items()
    }


def _parameter(
    where: str, name: str, schema: dict[str, Any], description: str, *, required: bool = False
) -> dict[str, Any]:
    return {
        "in": where, "name": name, "schema": schema, "description": description, "required": required,
    }  # fmt: skip


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


_NETWORK = _parameter("path", "network_id", {"type": "string"}, "The tenant.", required=True)
_REQUEST_ID = _parameter(
    "header", "X-Request-Id", {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
    "Comes back in the answer, and stands in the log; else one is made.",
)  # fmt: skip
