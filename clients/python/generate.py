"""Writes models.py from the OpenAPI document: run it in an environment with datamodel-code-generator 0.89.

It takes the schemas that the client's calls return, and the command without the bounds of its values, which the API
checks.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "schemas/published/openapi.json"
MODELS = HERE / "src/segments_client/models.py"
RETURNED = (
    "Explanation", "Members", "OneMember", "Problem", "Queued", "Results", "SegmentsShown", "Sizes", "UserSegments",
)  # fmt: skip


def reduced() -> dict[str, Any]:
    """Return the schemas that models are made of, by name."""
    schemas = json.loads(DOCUMENT.read_text("utf-8"))["components"]["schemas"]
    taken: dict[str, Any] = {"Command": _plain(schemas["Command"])}
    wanted = list(RETURNED)
    while wanted:
        name = wanted.pop()
        if name not in taken:
            taken[name] = schemas[name]
            wanted += [
                part.split('"')[0]
                for part in json.dumps(schemas[name]).split("#/components/schemas/")[1:]
            ]
    return dict(sorted(taken.items()))


def _plain(command: dict[str, Any]) -> dict[str, Any]:
    """Return the command with types alone; the network is in the path."""
    fields = {}
    for name, field in command["properties"].items():
        value = next(one for one in [*field.get("anyOf", ()), field] if "type" in one)
        plain = {key: value[key] for key in ("type", "enum") if key in value}
        fields[name] = (
            plain | {"description": field["description"]} if "description" in field else plain
        )
    fields.pop("network_id")
    return {
        "type": "object",
        "description": command["description"],
        "additionalProperties": False,
        "required": command["required"],
        "properties": fields,
    }


def main() -> None:
    """Write the models."""
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Segments", "version": "1"},
        "paths": {},
        "components": {"schemas": reduced()},
    }
    subprocess.run(  # noqa: S603 - of this environment
        [
            Path(sys.executable).with_name("datamodel-codegen"), "--input-file-type", "openapi",
            "--output-model-type", "pydantic_v2.BaseModel", "--target-python-version", "3.11", "--use-annotated",
            "--use-standard-collections", "--use-union-operator", "--disable-timestamp", "--use-schema-description",
            "--enum-field-as-literal", "all", "--collapse-root-models",
            "--formatters", "builtin", "--custom-file-header",
            '"""Made by generate.py from the OpenAPI document; do not edit."""', "--output", MODELS,
        ],
        input=json.dumps(document),
        text=True,
        check=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
