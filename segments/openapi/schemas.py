"""The schemas under components/schemas."""

from __future__ import annotations

from typing import Any

from schemas.documents import command_schema

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
STATE = {
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
QUEUED = {
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


def command() -> dict[str, Any]:
    """A command over HTTP: the network comes from the path, and enter and leave are not accepted."""
    schema = command_schema()
    schema.pop("$schema")
    schema["required"] = [name for name in schema["required"] if name != "network_id"]
    schema["properties"]["user_status"] = {"type": "string", "enum": ["add", "block", "reset"]}
    schema["examples"] = [_EXAMPLE]
    return schema
