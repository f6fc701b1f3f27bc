"""The log over HTTP and a proof, checked by verifiers that others wrote: Tessera's fsck; x/mod's tlog and note (Go)."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from service.registry.api_keys import Scope
from tests.http.client import api_running
from tests.seal.test_prove import proof
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


async def test_the_packages_tlog_and_note_accept_a_proof_and_refuse_an_altered_one(
    site: Site, tmp_path: Path
) -> None:
    """`golang.org/x/mod/sumdb`: of the first, a middle and the last leaf of a lane."""
    assert GO is not None
    program = tmp_path / "proof"
    assert await finished(GO, "build", "-o", program, "./proof") == (0, "")
    await site.lane.append(*(command_json(user=f"u{n}") for n in range(300)))
    await site.seal()
    verifier, path = str(site.signer.verifier), tmp_path / "record.tlog-proof"
    proofs = {offset: await proof(site, offset) for offset in (0, 150, 299)}
    for text in proofs.values():
        path.write_text(text, "utf-8")
        index = text.partition("\nindex ")[2].partition("\n")[0]
        assert await finished(program, path, verifier) == (0, f"proven {index}\n")
    head, _, signed = proofs[150].partition("\n\n")
    lines = head.split("\n")
    other = proofs[299].split("\n")
    for altered in (
        [*lines[:2], "index 0", *lines[3:]],
        [lines[0], other[1], *lines[2:]],
        [*lines[:3], *lines[4:]],
        [*lines[:3], lines[4], lines[3], *lines[5:]],
    ):
        path.write_text("\n".join(altered) + "\n\n" + signed, "utf-8")
        code, output = await finished(program, path, verifier)
        assert (code, output[:7]) == (1, "failed:")
    size = signed.split("\n")[1]
    path.write_text(
        head + "\n\n" + signed.replace(f"\n{size}\n", f"\n{int(size) + 1}\n", 1), "utf-8"
    )
    code, output = await finished(program, path, verifier)
    assert (code, "signature" in output) == (1, True)
