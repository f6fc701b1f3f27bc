"""Renders schemas/published/openapi.json: `python -m segments.openapi.render [--check]`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from schemas.documents import PUBLISHED
from segments.http import Parts, make_api
from segments.openapi import openapi
from service.http.kit.key_cache import ROLE
from service.postgres.database import open_database
from service.runtime.environment import read_settings
from service.runtime.secret import SecretStr

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "openapi.json"
_NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"  # no connection is opened


async def _document() -> dict[str, Any]:
    settings = read_settings(database_url=SecretStr(_NOWHERE))
    async with open_database(settings, ROLE, 1) as database:
        return openapi(make_api(Parts(settings, *[database] * 5)))


def render() -> str:
    """Return the text of the document."""
    return json.dumps(asyncio.run(_document()), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the document, or with --check compare it. Returns the exit code."""
    path, text = PUBLISHED / NAME, render()
    if list(arguments) == ["--check"]:
        if path.is_file() and path.read_text("utf-8") == text:
            return 0
        sys.stderr.write(f"{NAME} is out of date: run make published\n")
        return 1
    path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
