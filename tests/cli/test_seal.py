"""The seal from the command line: key, sealer, audit, proof, and a new log after a restore."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from service.seal.folder import Folder
from service.seal.note import NoteError, Verifier, open_checkpoint
from tests.seal.conftest import STOPPED, quieten
from tests.seal.test_prove import verify
from tests.support.command_line import run
from tests.support.database import UNGUARDED, connected, folded, value
from tests.support.kafka import NewRecord, publish
from tests.support.roles import Process, service
from tests.support.waiting import holds

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
# Written after the folder's checkpoint.
NOTED = "SELECT EXISTS (SELECT FROM segments.seal_checkpoint)"
ORIGIN = "log.example.com/segments"


@pytest.fixture
def sealed(ready: Settings, tmp_path: Path) -> Settings:
    """Settings of an installation that is to be sealed."""
    return ready.model_copy(
        update={
            "seal_dir": tmp_path / "log",
            "seal_key_file": tmp_path / "keys" / "seal.key",
            "seal_origin": ORIGIN,
            "seal_every_seconds": 0.2,
        }
    )


async def fill(settings: Settings, *users: str) -> None:
    async with service(settings):
        await publish(settings, [NewRecord(lane=0, user=user) for user in users])
        await folded(settings)
    await quieten(settings)


def size(settings: Settings, verifier: str) -> int:
    """Return the number of leaves that the folder's checkpoint covers, if this key signed it."""
    assert settings.seal_dir is not None
    try:
        note = Folder(settings.seal_dir).read_checkpoint()
        return 0 if note is None else open_checkpoint(note, Verifier.parse(verifier)).size
    except NoteError:
        return 0


async def test_an_auditor_checks_the_log_and_one_record_with_what_the_pages_say(
    sealed: Settings, tmp_path: Path
) -> None:
    made = await run(sealed, "seal", "key", "--json")
    verifier = made.json["verifier_key"]
    assert made.json["made"]
    assert verifier.startswith(f"{ORIGIN}+")
    assert sealed.seal_key_file is not None
    assert stat.S_IMODE(sealed.seal_key_file.stat().st_mode) == 0o600
    assert (await run(sealed, "seal", "key")).out.strip() == verifier  # the same one again
    await fill(sealed, "ann", "ben")
    sealer = Process(sealed, "seal")
    try:
        await holds(lambda: value(sealed, NOTED))
    finally:
        sealer.kill()
    clean = await run(sealed, "audit")
    assert (clean.code, clean.err) == (0, "")
    assert f"{size(sealed, verifier)} rows" in clean.out

    policy, proof = tmp_path / "policy", tmp_path / "0.tlog-proof"
    policy.write_text((await run(sealed, "seal", "key", "--policy")).out)
    position = f"{sealed.topic_prefix}.commands:0:0:0"
    assert (await run(sealed, "prove", position, "--out", str(proof))).code == 0
    code, text = await verify(proof, "--policy", policy)
    assert code == 0, text
    assert "ann" in text
    proof.write_text(proof.read_text().replace("\nindex ", "\nindex 1"))
    assert (await verify(proof, "--policy", policy))[0] == 1
    missing = await run(
        sealed, "prove", f"{sealed.topic_prefix}.commands:0:0:77", "--out", str(proof)
    )
    assert missing.code == 1
    assert "77" in missing.err

    kept = tmp_path / "kept"
    kept.write_text((tmp_path / "log" / "checkpoint").read_text())
    async with connected(sealed) as owner:
        await owner.execute(UNGUARDED)
        await owner.execute("UPDATE segments.event SET user_status = 2 WHERE kafka_offset = 1")
    for arguments in ([], ["--checkpoint", str(kept), "--verifier-key", verifier]):
        changed = await run(sealed, "audit", *arguments)
        assert changed.code == 1
        assert ":0:1" in changed.out


async def test_a_sealer_that_is_killed_leaves_what_the_next_one_goes_on_from(
    sealed: Settings,
) -> None:
    verifier = (await run(sealed, "seal", "key")).out.strip()
    for number in range(4):
        await fill(sealed, *(f"u{number}-{n}" for n in range(50)))
        before = size(sealed, verifier)
        sealer = Process(sealed, "seal")
        try:
            if number % 2:
                await holds(lambda before=before: size(sealed, verifier) > before)
            else:  # wherever it is
                await holds(lambda: value(sealed, "SELECT until > now() FROM segments.seal_lease"))
        finally:
            sealer.kill()
    assert size(sealed, verifier) > 200
    assert (await run(sealed, "audit")).code == 0
    assert await value(sealed, STOPPED) is None


async def test_a_restore_stops_the_sealer_until_a_new_log_is_begun(sealed: Settings) -> None:
    assert (await run(sealed, "seal", "key")).code == 0
    await fill(sealed, "ann", "ben")
    sealer = Process(sealed, "seal")
    try:
        await holds(lambda: value(sealed, NOTED))
        async with connected(
            sealed
        ) as owner:  # what a restore to an earlier time leaves of the seal
            await owner.execute(UNGUARDED)
            for table in ("seal_checkpoint", "seal_round", "seal_stretch"):
                await owner.execute(f"DELETE FROM segments.{table}")
    finally:
        sealer.kill()
    sealer = Process(sealed, "seal")
    try:
        await holds(lambda: value(sealed, f"SELECT ({STOPPED}) IS NOT NULL"))
        begun = await run(sealed, "seal", "reopen", "--reason", "restored", "--json")
        assert begun.json["origin"].startswith(f"{ORIGIN}/")
        await holds(lambda: size(sealed, begun.json["verifier_key"]) > 0)
    finally:
        sealer.kill()
    assert (await run(sealed, "audit", "--verifier-key", begun.json["verifier_key"])).code == 0
