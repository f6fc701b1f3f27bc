"""The shapes that are named under components/schemas."""

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
STATE = {
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
_EXAMPLE = {
    "user": "jo@example.com",
    "segment_id": 1,
    "user_status": "add",
    "reference_id": "ticket-4711",
    "status_change_timestamp": 1767225600,
    "description": "Reviews our products",
}


def command() -> dict[str, Any]:
    """A command as it is sent here: the network comes from the path, and automation does not speak HTTP."""
    schema = command_schema()
    schema.pop("$schema")
    schema["required"] = [name for name in schema["required"] if name != "network_id"]
    schema["properties"]["user_status"] = {"type": "string", "enum": ["add", "block", "reset"]}
    schema["examples"] = [_EXAMPLE]
    return schema
