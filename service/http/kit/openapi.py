"""Helpers for the parts of the OpenAPI document."""

from __future__ import annotations

from typing import Any


def parameter(
    where: str, name: str, schema: dict[str, Any], description: str, *, required: bool = False
) -> dict[str, Any]:
    """Describe a parameter. where: path, query or header."""
    return {
        "in": where, "name": name, "schema": schema, "description": description, "required": required,
    }  # fmt: skip


def json_content(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a JSON body or response."""
    return {"application/json": {"schema": schema}}
