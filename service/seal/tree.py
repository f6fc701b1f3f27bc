"""Merkle trees over SHA-256 (RFC 6962, section 2.1; RFC 9162, section 2.1), in tiles of C2SP tlog-tiles.

Pure: a hash has 32 bytes, a tile is up to 256 hashes in sequence. Level L of tiles has the hashes of full tiles of
level L - 1; level 0 has the leaf hashes.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HASH_BYTES = 32
TILE_WIDTH = 256
TILE_BYTES = TILE_WIDTH * HASH_BYTES
EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""
_TILE_HEIGHT = 8
_PAIR = 2 * HASH_BYTES


def leaf_hash(entry: bytes) -> bytes:
    """Hash a leaf."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Tile(NamedTuple):
    """The place of a tile. width: the number of its hashes, 256 unless it is partial."""

    level: int
    number: int
    width: int

    @property
    def path(self) -> str:
        """The path below the folder `tile`, as `0/x001/234.p/5`."""
        return f"{self.level}/{index_path(self.number, self.width)}"


def index_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a tile's index: groups of three digits, all but the last with an x before them."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03d}")
    return "/".join(groups) + ("" if width == TILE_WIDTH else f".p/{width}")


def tiles_of(size: int) -> Iterator[Tile]:
    """List the tiles of a tree of this size, from level 0 up; partial ones too."""
    level = 0
    while size:
        full, rest = divmod(size, TILE_WIDTH)
        yield from (Tile(level, index, TILE_WIDTH) for index in range(full))
        if rest:
            yield Tile(level, full, rest)
        size, level = full, level + 1


def edge_of(size: int) -> list[Tile]:
    """List the partial tiles of a tree of this size, one per level; width 0 where a level's last tile is full."""
    tiles: list[Tile] = []
    while size:
        size, rest = divmod(size, TILE_WIDTH)
        tiles.append(Tile(len(tiles), size, rest))
    return tiles


def peak(hashes: bytes) -> bytes:
    """Return the root of a perfect subtree, from 2**n hashes in sequence."""
    while len(hashes) > HASH_BYTES:
        hashes = b"".join(
            [
                sha256(b"\x01" + hashes[start : start + _PAIR]).digest()
                for start in range(0, len(hashes), _PAIR)
            ]
        )
    return hashes


class Edge:
    """The right edge of a tree: what is needed to append to it, and its root.

    levels: the hashes of the partial tile of each level, as `edge_of` has them; empty where it has width 0.
    """

    def __init__(self, size: int = 0, levels: Sequence[bytes] = ()) -> None:
        self.size = size
        self._levels = list(levels)

    def copy(self) -> Edge:
        """Return an edge that grows by itself."""
        return Edge(self.size, self._levels)

    def append(self, hashes: bytes) -> Iterator[tuple[Tile, bytes]]:
        """Append leaf hashes; yields the tiles that they fill, in the order in which they become full."""
        self.size += len(hashes) // HASH_BYTES
        if hashes:
            yield from self._append(0, hashes)

    def _append(self, level: int, hashes: bytes) -> Iterator[tuple[Tile, bytes]]:
        if level == len(self._levels):
            self._levels.append(b"")
        below = self.size >> (_TILE_HEIGHT * level)
        pending = self._levels[level] + hashes
        whole = len(pending) // TILE_BYTES
        first = below // TILE_WIDTH - whole
        self._levels[level] = pending[whole * TILE_BYTES :]
        roots = []
        for number in range(whole):
            content = pending[number * TILE_BYTES : (number + 1) * TILE_BYTES]
            yield Tile(level, first + number, TILE_WIDTH), content
            roots.append(peak(content))
        if roots:
            yield from self._append(level + 1, b"".join(roots))

    def partial_tiles(self) -> Iterator[tuple[Tile, bytes]]:
        """Yield the partial tiles."""
        for tile, content in zip(edge_of(self.size), self._levels, strict=True):
            if content:
                yield tile, content

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        root = b""
        for hashes in self._levels:
            end = len(hashes) // HASH_BYTES
            while end:
                width = end & -end  # the last perfect subtree of the tile
                subtree = peak(hashes[(end - width) * HASH_BYTES : end * HASH_BYTES])
                root = node_hash(subtree, root) if root else subtree
                end -= width
        return root or EMPTY_ROOT


class Tree:
    """A tree of a size that is read from tiles. read: gives a tile's hashes, also of one that it gave before."""

    def __init__(self, size: int, read: Callable[[Tile], bytes]) -> None:
        self.size = size
        self._read = read

    def root(self) -> bytes:
        """Compute the root."""
        return self._subtree(0, self.size) if self.size else EMPTY_ROOT

    def inclusion(self, index: int) -> list[bytes]:
        """Prove that a leaf is in the tree (RFC 9162, section 2.1.3): hashes from its sibling up."""
        if not 0 <= index < self.size:
            raise IndexError(f"the tree has {self.size} leaves, not leaf {index}")
        return self._path(index, 0, self.size)

    def consistency(self, size: int) -> list[bytes]:
        """Prove that the tree of a smaller size is its beginning (RFC 9162, section 2.1.4)."""
        if not 0 <= size <= self.size:
            raise IndexError(f"the tree has {self.size} leaves, not {size}")
        return self._subproof(size, 0, self.size, known=True) if 0 < size < self.size else []

    def _path(self, index: int, start: int, width: int) -> list[bytes]:
        if width == 1:
            return []
        left = _left(width)
        if index < left:
            return [*self._path(index, start, left), self._subtree(start + left, width - left)]
        return [
            *self._path(index - left, start + left, width - left),
            self._subtree(start, left),
        ]

    def _subproof(self, size: int, start: int, width: int, *, known: bool) -> list[bytes]:
        if size == width:
            return [] if known else [self._subtree(start, width)]
        left = _left(width)
        if size <= left:
            return [
                *self._subproof(size, start, left, known=known),
                self._subtree(start + left, width - left),
            ]
        return [
            *self._subproof(size - left, start + left, width - left, known=False),
            self._subtree(start, left),
        ]

    def _subtree(self, start: int, width: int) -> bytes:
        """Hash the leaves [start, start + width), where start is a multiple of the next power of two."""
        height = width.bit_length() - 1
        if width != 1 << height:
            left = _left(width)
            return node_hash(self._subtree(start, left), self._subtree(start + left, width - left))
        level, rest = divmod(height, _TILE_HEIGHT)
        first, index = start >> (_TILE_HEIGHT * level), 0
        index, first = divmod(first, TILE_WIDTH)
        there = (self.size >> (_TILE_HEIGHT * level)) - index * TILE_WIDTH
        hashes = self._read(Tile(level, index, min(there, TILE_WIDTH)))
        return peak(hashes[first * HASH_BYTES : (first + (1 << rest)) * HASH_BYTES])


def _left(width: int) -> int:
    """Return the largest power of two below width."""
    return 1 << ((width - 1).bit_length() - 1)


def root_of_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """Compute the root that a proof of inclusion leads to (RFC 9162, section 2.1.3.2); None: it is malformed."""
    if not 0 <= index < size:
        return None
    node, last = index, size - 1
    root = leaf
    for sibling in proof:
        if last == 0:
            return None
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    return root if last == 0 else None
