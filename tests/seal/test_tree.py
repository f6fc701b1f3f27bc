"""The tree's arithmetic, against RFC 6962's own definitions, written out plainly."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.seal.tree import (
    EMPTY_ROOT,
    Edge,
    Tile,
    Tree,
    edge_of,
    index_path,
    leaf_hash,
    node_hash,
    root_of_inclusion,
    tiles_of,
)

# The leaves and roots that implementations of Certificate Transparency share.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def definition(hashes: list[bytes]) -> bytes:
    """MTH of RFC 6962, over leaf hashes."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256().digest()
    left = max(1 << n for n in range(64) if 1 << n < len(hashes))
    return node_hash(definition(hashes[:left]), definition(hashes[left:]))


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


def grown(hashes: list[bytes], step: int) -> tuple[Edge, dict[Tile, bytes]]:
    edge = Edge()
    tiles: dict[Tile, bytes] = {}
    for start in range(0, len(hashes), step):
        tiles.update(edge.append(b"".join(hashes[start : start + step])))
    tiles.update(edge.partial_tiles())
    return edge, tiles


def test_roots_are_those_of_certificate_transparency() -> None:
    for count, root in enumerate(ROOTS, start=1):
        edge, _ = grown([leaf_hash(entry) for entry in ENTRIES[:count]], 1)
        assert edge.root.hex() == root
    assert Edge().root == EMPTY_ROOT == definition([])


@pytest.mark.parametrize("count", [1, 255, 256, 257, 600, 65_536, 66_000])
def test_root_and_tiles_follow_the_definition_whatever_is_appended_at_once(count: int) -> None:
    hashes = leaves(count)
    root = definition(hashes)
    for step in (count, 100, 257):
        edge, tiles = grown(hashes, step)
        assert edge.root == root
        assert set(tiles) == set(tiles_of(count))
        for tile, content in tiles.items():
            below = 256**tile.level
            first = tile.number * 256 * below
            expected = [
                definition(hashes[first + n * below : first + (n + 1) * below])
                for n in range(tile.width)
            ]
            assert content == b"".join(expected)
        assert Tree(count, tiles.__getitem__).root() == root


def test_an_edge_goes_on_from_its_partial_tiles() -> None:
    hashes = leaves(1000)
    edge, _ = grown(hashes[:700], 700)
    parts = dict(edge.partial_tiles())
    again = Edge(700, [parts.get(tile, b"") for tile in edge_of(700)])
    list(again.append(b"".join(hashes[700:])))
    assert again.root == definition(hashes)


@given(st.integers(1, 600), st.data())
def test_inclusion_is_proven_for_its_leaf_alone(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    hashes = leaves(size)
    edge, tiles = grown(hashes, 300)
    proof = Tree(size, tiles.__getitem__).inclusion(index)
    assert root_of_inclusion(index, size, hashes[index], proof) == edge.root
    assert root_of_inclusion(index, size, leaf_hash(b"another"), proof) != edge.root
    if size > 1:
        assert root_of_inclusion((index + 1) % size, size, hashes[index], proof) != edge.root
        assert root_of_inclusion(index, size, hashes[index], proof[:-1]) != edge.root
    assert root_of_inclusion(size, size, hashes[index], proof) is None


def subproof(size: int, hashes: list[bytes], *, known: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, over leaf hashes."""
    if size == len(hashes):
        return [] if known else [definition(hashes)]
    left = max(1 << n for n in range(64) if 1 << n < len(hashes))
    if size <= left:
        return [*subproof(size, hashes[:left], known=known), definition(hashes[left:])]
    return [*subproof(size - left, hashes[left:], known=False), definition(hashes[:left])]


@given(st.integers(1, 600), st.data())
def test_consistency_proofs_follow_the_definition(size: int, data: st.DataObject) -> None:
    smaller = data.draw(st.integers(1, size))
    hashes = leaves(size)
    _, tiles = grown(hashes, 300)
    expected = subproof(smaller, hashes, known=True) if smaller < size else []
    assert Tree(size, tiles.__getitem__).consistency(smaller) == expected


def test_paths_group_digits_by_three() -> None:
    assert index_path(1234067) == "x001/x234/067"
    assert index_path(5, 17) == "005.p/17"
    assert Tile(2, 1000, 256).path == "2/x001/000"
