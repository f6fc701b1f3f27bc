"""Proofs, checked by docs/verify/verify.py in a Python without our packages."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.position import Position
from service.runtime.errors import NotSealedError, NotThereError
from service.seal.prove import prove
from tests.support.database import connected, erase
from tests.support.lane import command_json

if TYPE_CHECKING:
    from tests.seal.conftest import Site

pytestmark = pytest.mark.stack
ANN: dict[str, Any] = {
    "description": "why",
    "metadata": {"a": "ä"},
    "status_change_timestamp": 1_700_000_000,
}
VERIFY = Path(__file__).parents[2] / "docs" / "verify" / "verify.py"


async def verify(*words: str | Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", VERIFY, *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def proof(site: Site, offset: int, network_id: str | None = None) -> str:
    position = Position(site.lane.lane.topic, 0, 0, offset)
    async with connected(site.settings, "segments_seal") as connection:
        await connection.execute("SET search_path = pg_catalog, segments")
        return await prove(connection, site.folder, position, network_id)


def policy(site: Site, path: Path, *lines: str) -> Path:
    path.write_text(
        "\n".join(["# ours", f"log {site.signer.verifier}", *(lines or ["quorum none"]), ""])
    )
    return path


async def filled(site: Site) -> None:
    await site.lane.append(
        command_json(user=" Ann@Example.com", **ANN),
        command_json(user="b"),
        b'{"user": "c"',
        command_json(user="ann@example.com", **ANN),
        *(command_json(user=f"u{n}") for n in range(300)),
    )  # fmt: skip
    await site.seal()


async def test_each_record_is_proven_with_what_it_said(site: Site, tmp_path: Path) -> None:
    await filled(site)
    rules = policy(site, tmp_path / "policy")
    for offset, says in (
        (0, "why"),
        (1, '"n:b"'),
        (2, "not_json"),
        (3, '"duplicate"'),
        (303, "u299"),
    ):
        path = tmp_path / f"{offset}.tlog-proof"
        path.write_text(await proof(site, offset))
        code, out = await verify(path, "--policy", rules)
        assert (code, says in out, "proven" in out) == (0, True, True), out


async def test_after_an_erasure_the_record_is_proven_without_what_it_said(
    site: Site, tmp_path: Path
) -> None:
    await filled(site)
    await erase(site.settings, "ann@example.com")
    path = tmp_path / "p"
    path.write_text(await proof(site, 0))
    code, out = await verify(path, "--policy", policy(site, tmp_path / "policy"))
    assert code == 0
    assert "why" not in out
    extra = base64.b64decode(path.read_text().split("\n")[1].removeprefix("extra "))
    assert "salt" not in json.loads(extra)
    assert "ann" not in (extra.decode() + out).lower()


async def test_an_altered_proof_is_invalid(site: Site, tmp_path: Path) -> None:
    await filled(site)
    rules = policy(site, tmp_path / "policy")
    text = await proof(site, 0)
    lines = text.split("\n")
    extra = json.loads(base64.b64decode(lines[1].removeprefix("extra ")))
    path = tmp_path / "p"

    def with_extra(**changed: object) -> str:
        encoded = base64.b64encode(json.dumps(extra | changed).encode()).decode()
        return "\n".join([lines[0], f"extra {encoded}", *lines[2:]])

    path.write_text(with_extra())
    assert (await verify(path, "--policy", rules))[0] == 0
    altered = {
        "record": with_extra(record=extra["record"] | {"description": "another reason"}),
        "who": with_extra(who="n:somebody"),
        "entry": with_extra(entry=extra["entry"].replace('"add"', '"block"')),
        "salt": with_extra(salt="00" * 16),
        "index": text.replace("\nindex ", "\nindex 1"),
        "sibling": text.replace(lines[3], lines[4], 1),
        "short": text.replace(lines[3] + "\n", "", 1),
        "size": text.replace(f"\n{site.checkpoint().size}\n", f"\n{site.checkpoint().size + 1}\n"),
        "signature": text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:],
        "empty": "",
        "another file": "hello\n\nworld\n",
    }
    for name, changed in altered.items():
        path.write_text(changed)
        code, out = await verify(path, "--policy", rules)
        assert (code, "INVALID" in out) == (1, True), (name, out)


async def test_a_key_that_the_policy_lacks_signs_nothing(site: Site, tmp_path: Path) -> None:
    await filled(site)
    path = tmp_path / "p"
    path.write_text(await proof(site, 0))
    other = type(site.signer).generate("example.com/seal").verifier
    rules = tmp_path / "policy"
    rules.write_text(f"log {other}\nquorum none\n")
    assert (await verify(path, "--policy", rules))[0] == 1


def witness(name: str) -> tuple[Ed25519PrivateKey, bytes, str]:
    key = Ed25519PrivateKey.generate()
    public = b"\x04" + key.public_key().public_bytes_raw()
    key_id = sha256(name.encode() + b"\n" + public).digest()[:4]
    return key, key_id, f"{name}+{key_id.hex()}+{base64.b64encode(public).decode()}"


async def test_witnesses_are_counted_as_the_policy_says(site: Site, tmp_path: Path) -> None:
    await filled(site)
    text = await proof(site, 0)
    body = site.checkpoint().text()
    witnesses = {name: witness(name) for name in ("w1", "w2", "w3")}
    for name in ("w1", "w2"):
        key, key_id, _ = witnesses[name]
        signature = key.sign(f"cosignature/v1\ntime 1700000000\n{body}".encode())
        raw = key_id + struct.pack(">Q", 1_700_000_000) + signature
        text += f"\u2014 {name} {base64.b64encode(raw).decode()}\n"
    path = tmp_path / "p"
    path.write_text(text)
    known = [f"witness {name} {vkey}" for name, (_, _, vkey) in witnesses.items()]
    for quorum, code in (
        (["quorum w1"], 0),
        (["quorum w3"], 3),
        (["group g 2 w1 w2 w3", "quorum g"], 0),
        (["group g all w1 w2 w3", "quorum g"], 3),
        (["group a any w2 w3", "group g all w1 a", "quorum g"], 0),
        (["group g all w1 w9", "quorum g"], 2),
        (["nonsense"], 2),
    ):
        rules = policy(site, tmp_path / "policy", *known, *quorum)
        found, out = await verify(path, "--policy", rules)
        assert found == code, (quorum, out)
    path.write_text(text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:])
    rules = policy(site, tmp_path / "policy", *known, "quorum none")
    assert (await verify(path, "--policy", rules))[0] == 1


async def test_two_checkpoints_are_compared_by_the_tiles(site: Site, tmp_path: Path) -> None:
    rules = policy(site, tmp_path / "policy")
    await site.seal()
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text(site.folder.read_checkpoint() or "")
    await filled(site)
    new.write_text(site.folder.read_checkpoint() or "")
    tiles = ("--tiles", site.folder.path, "--policy", rules)
    assert (await verify(old, new, *tiles))[0] == 0
    assert (await verify(new, new, *tiles))[0] == 0
    assert (await verify(new, old, *tiles))[0] == 1
    forged = site.checkpoint()
    old.write_text(site.signer.sign(type(forged)(forged.origin, 3, forged.root).text()))
    assert (await verify(old, new, *tiles))[0] == 1


async def test_wrong_use_is_told_by_2(site: Site, tmp_path: Path) -> None:
    rules = policy(site, tmp_path / "policy")
    for words in ((), ("p",), ("missing", "--policy", rules), (rules, "--policy", "missing")):
        assert (await verify(*words))[0] == 2, words


async def test_what_is_not_sealed_or_another_networks_is_not_proven(site: Site) -> None:
    await filled(site)
    await site.lane.append(command_json(user="later"))
    with pytest.raises(NotSealedError):
        await proof(site, 304)
    with pytest.raises(NotThereError):
        await proof(site, 0, "m")
    assert await proof(site, 0, "n")
