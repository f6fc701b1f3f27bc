"""Assembles the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from segments.openapi.problems import PROBLEM, add_problems
from service.http.kit.openapi import json_content, parameter
from service.http.publishing.openapi import SHAPES

if TYPE_CHECKING:
    from fastapi import FastAPI

_ABOUT = """\
A command is published to Kafka, and the response is sent when the broker has acknowledged it. `results` returns its
outcome; with `Prefer: wait=N` the response does. Every error is a problem (RFC 9457). For a command that gets 408, 429
or 503, `published` tells whether it may be in Kafka nevertheless. A retry is safe with the same `Idempotency-Key`, or
with the command's `status_change_timestamp`.
"""
_HEADERS = {
    "X-Request-Id": "As sent, or generated.",
    "RateLimit-Limit": "Commands that the key may send per window.",
    "RateLimit-Remaining": "Commands left in the window.",
    "RateLimit-Reset": "Seconds until the next window.",
}
_SNAPSHOT = {
    "Segments-Snapshot": "A token of what is shown: `snapshot=` shows it again, whatever arrived later."
}
_NETWORK = parameter("path", "network_id", {"type": "string"}, "The tenant.", required=True)
_REQUEST_ID = parameter(
    "header", "X-Request-Id", {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
    "Returned in the response, and stored in the log. Default: generated.",
)  # fmt: skip


def openapi(app: FastAPI) -> dict[str, Any]:
    """Render OpenAPI 3.1 of the whole API."""
    document = get_openapi(
        title=app.title, version=app.version, description=_ABOUT, routes=app.routes
    )
    document["paths"] = document["paths"] | _probes()
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas |= {"Problem": PROBLEM, **SHAPES}
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        if path.startswith(("/networks/", "/log/", "/operations")):
            for operation in operations.values():
                _complete(operation, of_network=path.startswith("/networks/"))
    return document


def _complete(operation: dict[str, Any], *, of_network: bool) -> None:
    """Add what all calls have in common: network, request id, security, and the possible problems."""
    operation["security"] = [{"key": []}]
    parameters = operation["parameters"] = list(operation.get("parameters", []))
    if of_network and all(one["name"] != "network_id" for one in parameters):
        parameters.insert(0, _NETWORK)
    add_problems(operation)
    parameters.append(_REQUEST_ID)
    for status, answer in operation["responses"].items():
        if status < "400":
            answer["headers"] = {
                name: {"schema": {"type": "string"}, "description": description}
                for name, description in (_HEADERS | _of_reading(operation)).items()
            }


def _of_reading(operation: dict[str, Any]) -> dict[str, str]:
    """Return the headers of calls that read projections."""
    return _SNAPSHOT if "reading" in operation.get("tags", ()) else {}


def _probes() -> dict[str, Any]:
    probes = {
        "/health/live": ("The process is alive", ["200"]),
        "/health/ready": ("The broker responds; `degraded` without Postgres", ["200", "503"]),
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
                        else json_content({"type": "object"}),
                    }
                    for status in statuses
                },
            }
        }
        for path, (summary, statuses) in probes.items()
    }
