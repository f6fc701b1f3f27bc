"""The log over HTTP, checked by a verifier that others wrote: the package fsck of Tessera (Go)."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from service.registry.api_keys import Scope
from tests.http.client import api_running
from tests.support.lane import command_json

if TYPE_CHECKING:
    from tests.seal.conftest import Site

GO = shutil.which("go")
pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(
        GO is None or "CI" in os.environ, reason="needs Go, and modules from elsewhere"
    ),
]
SOURCE = Path(__file__).parent / "foreign"


async def finished(*command: str | Path, **variables: str) -> tuple[int | None, str]:
    """Run a command to its end; return its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=SOURCE, env=os.environ | variables,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_a_foreign_verifier_finds_the_log_whole_and_an_altered_tile(
    site: Site, tmp_path: Path
) -> None:
    assert GO is not None
    program = tmp_path / "foreign"
    assert await finished(GO, "build", "-o", program, ".") == (0, "")
    for lane in site.lanes:
        await lane.append(*(command_json(user=f"u{n}") for n in range(400)), b"{")
    await site.seal()
    async with api_running(site.settings, wait=False) as api:
        key = await api.key("n", Scope.AUDIT)
        verifier = str(site.signer.verifier)
        code, output = await finished(program, f"{api.url}/log/", verifier, KEY=key)
        assert (code, output.endswith("\nchecked\n")) == (0, True), output
        tile = site.folder.path / "tile" / "0" / "001"
        content = tile.read_bytes()
        tile.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        code, output = await finished(program, f"{api.url}/log/", verifier, KEY=key)
        assert code == 1, output
