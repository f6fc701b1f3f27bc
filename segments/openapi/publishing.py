"""The two publishing calls, which are in front of FastAPI and unknown to it."""

from __future__ import annotations

from typing import Any

from segments.openapi.pieces import json_content, parameter
from segments.openapi.problems import MANY_COMMANDS, ONE_COMMAND, PUBLISHING
from service.http.publishing.body import MAX_ITEMS

_COMMAND = {"$ref": "#/components/schemas/Command"}


def publishing() -> dict[str, Any]:
    """Return their paths."""
    key = parameter(
        "header", "Idempotency-Key", {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        "The same key and body make one event, however often they are sent. In a batch the key of item N is KEY:N.",
    )  # fmt: skip
    wait = parameter(
        "header", "Prefer", {"type": "string", "examples": ["wait=1"]},
        "wait=N: respond with the outcome, or with 202 after N seconds, at most 30.",
    )  # fmt: skip
    dry_run = parameter(
        "query", "dry_run", {"type": "string", "enum": ["true", "false"]},
        "true: return the outcome that the command would have, and publish nothing.",
    )  # fmt: skip
    prediction = {
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
        "tags": [PUBLISHING],
        "summary": "Publish a command",
        "operationId": ONE_COMMAND,
        "parameters": [dry_run, key, wait],
        "requestBody": {"required": True, "content": json_content(_COMMAND)},
        "responses": {
            "201": {
                "description": "The broker has acknowledged the command.",
                "content": json_content(queued),
            },
            "200": {
                "description": "The outcome, with Prefer: wait or for a dry run.",
                "content": json_content({"anyOf": [queued, prediction]}),
            },
            "202": {
                "description": "No outcome within the time of Prefer: wait.",
                "content": json_content(queued),
            },
            "404": {},
            "409": {},
        },
    }
    many = {
        "tags": [PUBLISHING],
        "summary": f"Publish up to {MAX_ITEMS:,} commands",
        "operationId": MANY_COMMANDS,
        "parameters": [key],
        "requestBody": {
            "required": True,
            "content": {
                **json_content(items),
                "application/x-ndjson": {"schema": {"type": "string"}},
            },
        },
        "responses": {
            "207": {
                "description": "The result of each command, in order.",
                "content": json_content(
                    {"type": "object", "properties": {"items": {"type": "array", "items": item}}}
                ),
            }
        },
    }
    path = "/networks/{network_id}/segments"
    return {path: {"post": one}, f"{path}/batch": {"post": many}}
