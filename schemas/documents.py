"""Renders the published documents: `python -m schemas.documents [--check]`.

JSON Schema of a command and AsyncAPI of the topics, into `schemas/published/`. With `--check`
nothing is written, and the exit code is 1 if a document is out of date.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from schemas import headers
from schemas.messages import CommandMessage, MembershipMessage, RejectedMessage
from schemas.topics import Topics

PUBLISHED: Final = Path(__file__).parent / "published"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TOPICS: Final = Topics("{prefix}")

_HEADERS: Final = {
    headers.IDEMPOTENCY_KEY: (
        "1-255 printable ASCII characters. A key that was seen before in the network "
        "identifies that command, for at least 7 days."
    ),
    headers.SOURCE: "The source of the record; ignored unless signed.",
    headers.ACTOR: "The person or service behind the command; ignored unless signed.",
    headers.REQUEST_ID: "The id of the request; ignored unless signed.",
    headers.NONCE: "Makes each signature unique; see segments-signature.",
    headers.SIGNATURE: "64 lower case hex digits. "
    + (headers.sign.__doc__ or "").partition("\n\n")[2],
    headers.ORIGIN: "On a retry: topic:partition:epoch:offset of the original record.",
    headers.TRACEPARENT: "W3C trace context.",
}


def command_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of a command."""
    return {"$schema": DIALECT, **_schema(CommandMessage)}


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0 of the three topics."""
    channels = {
        "commands": ("Commands, one per record.", _TOPICS.commands, "command"),
        "rejected": ("Rejected records, with the reason.", _TOPICS.rejected, "rejected"),
        "memberships": (
            "The current state of each key; compacted.",
            _TOPICS.memberships,
            "membership",
        ),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Segments",
            "version": "1",
            "description": "Which users are in which segments, and why.",
        },
        "defaultContentType": "application/json",
        "channels": {
            name: {
                "address": address,
                "description": description,
                "parameters": {"prefix": {"default": "segments", "description": "TOPIC_PREFIX"}},
                "messages": {message: {"$ref": f"#/components/messages/{message}"}},
            }
            for name, (description, address, message) in channels.items()
        },
        "operations": {
            "readCommands": _operation("receive", "commands"),
            "publishRejected": _operation("send", "rejected"),
            "publishMemberships": _operation("send", "memberships"),
        },
        "components": {"messages": _messages()},
    }


def _operation(action: str, channel: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _messages() -> dict[str, Any]:
    command = _message(
        CommandMessage, "network_id:user, so that a user's commands keep their order."
    )
    command["headers"] = {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": " ".join(description.split())}
            for name, description in _HEADERS.items()
        },
    }
    return {
        "command": command,
        "rejected": _message(RejectedMessage, "The key of the rejected record."),
        "membership": _message(MembershipMessage, "network_id:segment_id:user"),
    }


def _message(model: type[BaseModel], key: str) -> dict[str, Any]:
    return {
        "title": model.model_config["title"],
        "summary": " ".join((model.__doc__ or "").split()),
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-07",
            "schema": _schema(model),
        },
        "bindings": {"kafka": {"key": {"type": "string", "description": key}}},
    }


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of a model with all references inlined, so that it can be embedded anywhere."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def inline(node: Any) -> Any:
        if isinstance(node, list):
            return [inline(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return inline(definitions[node["$ref"].removeprefix("#/$defs/")])
        return {
            name: inline(item) for name, item in node.items() if name != "title" or node is schema
        }

    inlined: dict[str, Any] = inline(schema)
    return inlined


def render() -> dict[str, str]:
    """Return the text of every published document by its file name."""
    documents = {"command.schema.json": command_schema(), "asyncapi.json": asyncapi()}
    return {
        name: json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        for name, document in documents.items()
    }


def drifted(folder: Path = PUBLISHED) -> list[str]:
    """List the documents in a folder that are missing or out of date."""
    return [
        name
        for name, text in render().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the documents, or with --check list those that differ. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m schemas.documents", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 on a difference"
    )
    parser.add_argument(
        "--to", type=Path, default=PUBLISHED, help="the folder, default %(default)s"
    )
    options = parser.parse_args(arguments)
    names = drifted(options.to)
    if options.check:
        for name in names:
            sys.stderr.write(f"{name} is out of date: run python -m schemas.documents\n")
        return 1 if names else 0
    options.to.mkdir(parents=True, exist_ok=True)
    for name in names:
        (options.to / name).write_text(render()[name], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
