"""The two calls that publish. They stand in front of FastAPI, which knows nothing of them."""

from __future__ import annotations

from typing import Any

from segments.openapi.pieces import json_content, parameter
from segments.openapi.problems import MANY_COMMANDS, ONE_COMMAND, PUBLISHING
from service.http.publishing.body import MAX_ITEMS

_COMMAND = {"$ref": "#/components/schemas/Command"}


def publishing() -> dict[str, Any]:
    """Give their paths."""
    key = parameter(
        "header", "Idempotency-Key", {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        "The same key and body is one event however often it is sent; in a batch the key of item N is KEY:N.",
    )  # fmt: skip
    wait = parameter(
        "header", "Prefer", {"type": "string", "examples": ["wait=1"]},
        "wait=N: answer with the outcome, or 202 after N seconds, at most 30.",
    )  # fmt: skip
    dry_run = parameter(
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
        "tags": [PUBLISHING],
        "summary": "Publish a command",
        "operationId": ONE_COMMAND,
        "parameters": [dry_run, key, wait],
        "requestBody": {"required": True, "content": json_content(_COMMAND)},
        "responses": {
            "201": {"description": "The broker has it.", "content": json_content(queued)},
            "200": {
                "description": "The outcome that was waited for, or that a dry run foresees.",
                "content": json_content({"anyOf": [queued, foreseen]}),
            },
            "202": {"description": "No outcome yet.", "content": json_content(queued)},
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
                "description": "What became of each, in their order.",
                "content": json_content(
                    {"type": "object", "properties": {"items": {"type": "array", "items": item}}}
                ),
            }
        },
    }
    path = "/networks/{network_id}/segments"
    return {path: {"post": one}, f"{path}/batch": {"post": many}}
