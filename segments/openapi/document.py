"""The document put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from segments.openapi.problems import PROBLEM, add_problems
from service.http.kit.openapi import json_content, parameter
from service.http.publishing.openapi import SHAPES

if TYPE_CHECKING:
    from fastapi import FastAPI

_ABOUT = """\
Commands go to Kafka, and are answered once the broker has them; what became of them is told by `results`, or at
once with `Prefer: wait=N`. Every error is a problem (RFC 9457); of a command that met 429 or 503, `published` says
whether it may be in Kafka all the same. Safe retries: send the same with the same `Idempotency-Key`, or with its
`status_change_timestamp`.
"""
_HEADERS = {
    "X-Request-Id": "Taken as sent, or made.",
    "RateLimit-Limit": "What the key may send in a window.",
    "RateLimit-Remaining": "What is left of it.",
    "RateLimit-Reset": "Seconds until it begins anew.",
}
_NETWORK = parameter("path", "network_id", {"type": "string"}, "The tenant.", required=True)
_REQUEST_ID = parameter(
    "header", "X-Request-Id", {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
    "Comes back in the answer, and stands in the log; else one is made.",
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
        if path.startswith("/networks/"):
            for operation in operations.values():
                _complete(operation)
    return document


def _complete(operation: dict[str, Any]) -> None:
    """Add what every call has: network, request id, the key, and the problems that may be answered."""
    operation["security"] = [{"key": []}]
    parameters = operation["parameters"] = list(operation.get("parameters", []))
    if all(one["name"] != "network_id" for one in parameters):
        parameters.insert(0, _NETWORK)
    add_problems(operation)
    parameters.append(_REQUEST_ID)
    for status, answer in operation["responses"].items():
        if status < "400":
            answer["headers"] = {
                name: {"schema": {"type": "string"}, "description": said}
                for name, said in _HEADERS.items()
            }


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
                        else json_content({"type": "object"}),
                    }
                    for status in statuses
                },
            }
        }
        for path, (summary, statuses) in said.items()
    }
