"""The log over HTTP, read as a program that knows C2SP tlog-tiles alone reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from service.registry.api_keys import Scope
from service.seal.note import open_checkpoint
from service.seal.tree import TILE_WIDTH, Tile, Tree, index_path, leaf_hash, tiles_of
from tests.http.client import Api, api_running
from tests.seal.test_prove import policy, verify
from tests.support.database import UNGUARDED, connected
from tests.support.lane import command_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.seal.conftest import Site

pytestmark = pytest.mark.stack
NOT_THERE = httpx.codes.NOT_FOUND


@pytest.fixture
async def api(site: Site) -> AsyncIterator[Api]:
    """An API on a log of 700 commands of two networks, duplicates and rejected records, sealed in two rounds."""
    for round_ in range(2):
        for lane in site.lanes:
            await lane.append(
                *(command_json(user=f"u{n}", network_id="nm"[n % 2]) for n in range(150 + round_)),
                b'{"user": "c"',
                *(
                    command_json(user=f"v{n}", status_change_timestamp=1_700_000_000)
                    for n in (0, 0, 1)
                ),
            )
        await site.seal()
    async with api_running(site.settings, wait=False) as running:
        yield running


async def read(api: Api, path: str) -> bytes:
    answer = await api.call("GET", f"/log/{path}", Scope.AUDIT)
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.content


async def bundle(api: Api, number: int, width: int) -> list[bytes]:
    """Read an entry bundle: leaves, each after its length in two bytes."""
    content = await read(api, f"tile/entries/{index_path(number, width)}")
    leaves = []
    while content:
        end = 2 + int.from_bytes(content[:2])
        leaves.append(content[2:end])
        content = content[end:]
    return leaves


async def test_tiles_and_bundles_make_the_root_that_was_signed(api: Api, site: Site) -> None:
    note = (await read(api, "checkpoint")).decode()
    checkpoint = open_checkpoint(note, site.signer.verifier)
    tiles = {tile: await read(api, f"tile/{tile.path}") for tile in tiles_of(checkpoint.size)}
    assert Tree(checkpoint.size, tiles.__getitem__).root() == checkpoint.root
    leaves = [
        leaf
        for tile in tiles
        if tile.level == 0
        for leaf in await bundle(api, tile.number, tile.width)
    ]
    assert len(leaves) == checkpoint.size > 2 * TILE_WIDTH
    hashes = b"".join(content for tile, content in tiles.items() if tile.level == 0)
    assert b"".join(map(leaf_hash, leaves)) == hashes
    assert {b"event", b"duplicate", b"rejected", b"registry_event"} <= {
        leaf.partition(b'"kind":"')[2].partition(b'"')[0] for leaf in leaves
    }


async def test_a_part_of_a_full_tile_is_there_too(api: Api) -> None:
    assert await bundle(api, 1, 7) == (await bundle(api, 1, TILE_WIDTH))[:7]
    whole = await read(api, f"tile/{Tile(0, 1, TILE_WIDTH).path}")
    assert whole.startswith(await read(api, f"tile/{Tile(0, 1, 7).path}"))


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/009",
        "tile/entries/009",
        "tile/entries/002.p/255",  # more than there is
        "tile/entries/000.p/256",
        "tile/entries/000.p/0",
        "tile/entries/x000/001",
        "tile/entries/1",
        "tile/0/%2e%2e/%2e%2e/keys",
        "tile/entries/x999/x999/x999/x999/x999/999",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
    ],
)  # fmt: skip
async def test_what_is_no_tile_is_not_found(api: Api, path: str) -> None:
    answer = await api.call("GET", f"/log/{path}", Scope.AUDIT)
    assert answer.status_code == NOT_THERE, answer.text


async def test_only_scope_audit_reads_the_log(api: Api) -> None:
    others = set(Scope) - {Scope.AUDIT}
    for path in ("checkpoint", "tile/0/000", "tile/entries/000"):
        assert (await api.call("GET", f"/log/{path}", *others)).status_code == httpx.codes.FORBIDDEN
        assert (await api.client.get(f"/log/{path}")).status_code == httpx.codes.UNAUTHORIZED
    odd = {"position": "a\0:0:0:0"}
    unreadable = await api.call("GET", "/networks/n/results/proof", Scope.REPORT, params=odd)
    assert unreadable.status_code == httpx.codes.BAD_REQUEST
    beyond = await api.call("GET", "/log/tile/64/000", Scope.AUDIT)
    assert beyond.status_code == httpx.codes.BAD_REQUEST


async def test_a_network_gets_proofs_of_its_records_alone(
    api: Api, site: Site, tmp_path: Path
) -> None:
    rules = policy(site, tmp_path / "policy")

    async def proof(network: str, offset: int) -> httpx.Response:
        position = f"{site.lane.lane.topic}:0:0:{offset}"
        path = f"/networks/{network}/results/proof"
        return await api.call(
            "GET", path, Scope.REPORT, network=network, params={"position": position}
        )

    for network, offset in (("n", 0), ("m", 1)):
        made = await proof(network, offset)
        (tmp_path / "p").write_text(made.text)
        code, out = await verify(tmp_path / "p", "--policy", rules)
        assert (code, f'"{network}:u{offset}"' in out) == (0, True), out
    refused = [await proof("m", offset) for offset in (0, 77_777)]
    assert [answer.status_code for answer in refused] == [NOT_THERE] * 2
    assert refused[0].text == refused[1].text  # nobody learns whether another network has it


async def test_no_bundle_is_made_of_rows_that_are_missing(api: Api, site: Site) -> None:
    async with connected(site.settings) as owner:
        await owner.execute(UNGUARDED)
        await owner.execute("DELETE FROM segments.duplicate WHERE lane_id = $1", site.lane.lane_id)
    answers = [await api.call("GET", f"/log/tile/entries/{n:03}", Scope.AUDIT) for n in range(2)]
    assert "log_altered" in [answer.json()["reason"] for answer in answers if answer.is_error]
