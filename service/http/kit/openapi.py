"""Small pieces of the OpenAPI document."""

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
    """Give the content of a body or an answer that is JSON."""
    return {"application/json": {"schema": schema}}
