"""The OpenAPI description of the two publishing calls, as arguments of their routes."""

from __future__ import annotations

from typing import Any

from schemas.documents import command_schema
from service.http.kit.openapi import json_content, parameter
from service.http.publishing.body import MAX_ITEMS

TAG = "commands"
_STATE = {
    "type": "object",
    "description": "The state of a user in a segment, as in view user_segment, with the override's expires_at.",
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
            "description": "201 in a batch; else `queued`, or the outcome with Prefer: wait."
        },
        "reference_id": {
            "type": ["string", "null"],
            "description": "As sent; auto:… for a command without a time.",
        },
        "status_change_timestamp": {
            "type": "integer",
            "description": "Unix seconds, as sent; else the broker's time.",
        },
        "topic": {"type": "string"},
        "partition": {"type": "integer"},
        "offset": {"type": "integer"},
        "outcome": {"type": "string", "description": "With Prefer: wait."},
    },
}
_EXAMPLE = {
    "user": "jo@example.com",
    "segment_id": 1,
    "user_status": "add",
    "reference_id": "ticket-4711",
    "status_change_timestamp": 1767225600,
    "description": "Reviews our products",
}


def _command() -> dict[str, Any]:
    """A command over HTTP: the network comes from the path, and enter and leave are not accepted."""
    schema = command_schema()
    schema.pop("$schema")
    schema["required"] = [name for name in schema["required"] if name != "network_id"]
    schema["properties"]["user_status"] = {"type": "string", "enum": ["add", "block", "reset"]}
    schema["examples"] = [_EXAMPLE]
    return schema


SHAPES = {"Command": _command(), "Queued": _QUEUED, "State": _STATE}
_REFERENCES = {name: {"$ref": f"#/components/schemas/{name}"} for name in (*SHAPES, "Problem")}
_KEY = parameter(
    "header", "Idempotency-Key", {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "The same key and body make one event, however often they are sent. In a batch the key of item N is KEY:N.",
)  # fmt: skip
_WAIT = parameter(
    "header", "Prefer", {"type": "string", "examples": ["wait=1"]},
    "wait=N: respond with the outcome, or with 202 after N seconds, at most 30.",
)  # fmt: skip
_DRY_RUN = parameter(
    "query", "dry_run", {"type": "string", "enum": ["true", "false"]},
    "true: return the outcome that the command would have, and publish nothing.",
)  # fmt: skip
_PREDICTION = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("outcome", "reason", "detail")},
        **dict.fromkeys(("before", "after"), _REFERENCES["State"]),
    },
}
_ITEM = {"anyOf": [_REFERENCES["Queued"], _REFERENCES["Problem"]]}
_ITEMS = {"type": "array", "items": _REFERENCES["Command"], "minItems": 1, "maxItems": MAX_ITEMS}

ONE: dict[str, Any] = {
    "status_code": 201,
    "summary": "Publish a command",
    "operation_id": "post_command",
    "response_description": "The broker has acknowledged the command.",
    "responses": {
        201: {"content": json_content(_REFERENCES["Queued"])},
        200: {
            "description": "The outcome, with Prefer: wait or for a dry run.",
            "content": json_content({"anyOf": [_REFERENCES["Queued"], _PREDICTION]}),
        },
        202: {
            "description": "No outcome within the time of Prefer: wait.",
            "content": json_content(_REFERENCES["Queued"]),
        },
        404: {},
        409: {},
    },
    "openapi_extra": {
        "parameters": [_DRY_RUN, _KEY, _WAIT],
        "requestBody": {"required": True, "content": json_content(_REFERENCES["Command"])},
    },
}
BATCH: dict[str, Any] = {
    "status_code": 207,
    "summary": f"Publish up to {MAX_ITEMS:,} commands",
    "operation_id": "post_commands",
    "response_description": "The result of each command, in order.",
    "responses": {
        207: {
            "content": json_content(
                {"type": "object", "properties": {"items": {"type": "array", "items": _ITEM}}}
            )
        }
    },
    "openapi_extra": {
        "parameters": [_KEY],
        "requestBody": {
            "required": True,
            "content": {
                **json_content(_ITEMS),
                "application/x-ndjson": {"schema": {"type": "string"}},
            },
        },
    },
}
