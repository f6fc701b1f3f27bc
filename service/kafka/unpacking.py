"""Decompressing a record batch a piece at a time: what lies in memory at once does not depend on what it holds."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

import cramjam
import lz4.frame
import zstandard
from aiokafka.record.default_records import DefaultRecordBase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What is read at once. A batch that fits needs no second look.
PIECE: Final = 256 * 1024
# What one batch may decompress to.
MOST_BYTES: Final = 64 * 1024 * 1024
# A zstd decoder holds a window of what it has given, of up to 128 MiB as the frame asks. Where that is more than zstd's
# levels up to 19 ask for, the batch itself must be shorter.
_ZSTD_WINDOW: Final = 8 * 1024 * 1024
_MOST_WINDOW: Final = 128 * 1024 * 1024
MOST_BYTES_OF_LONG_WINDOWS: Final = 16 * 1024 * 1024
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = 16


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Unpacked:
    """The content of a batch, from its first byte on.

    Only one in the process holds a decoder: another that is read takes its place, and who goes on after that
    begins anew and passes by what it gave. Decoders hold up to what they have given.
    """

    _holder: ClassVar[Unpacked | None] = None

    def __init__(self, codec: int, packed: bytes | memoryview) -> None:
        self._codec = codec
        self._packed = packed
        self._stream: _Stream | None = None
        self._given = 0

    @property
    def most_bytes(self) -> int:
        """How much it may hold."""
        if self._codec == DefaultRecordBase.CODEC_ZSTD and _window(self._packed) > _ZSTD_WINDOW:
            return MOST_BYTES_OF_LONG_WINDOWS
        return MOST_BYTES

    def read(self, size: int) -> bytes:
        """Give the next `size` bytes, fewer only at the end. Raises: what a decoder raises for broken data."""
        stream = self._stream or self._hold()
        pieces = []
        while size > 0 and (piece := stream.read(min(size, PIECE))):
            pieces.append(piece)
            size -= len(piece)
        found = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._given += len(found)
        return found

    def skip(self, size: int) -> int:
        """Pass by up to `size` bytes; gives how many there were."""
        passed = 0
        while passed < size and (piece := self.read(min(size - passed, PIECE))):
            passed += len(piece)
        return passed

    def rewind(self) -> None:
        """Begin anew."""
        self.close()
        self._given = 0

    def close(self) -> None:
        """Hold nothing any more."""
        self._stream = None
        if Unpacked._holder is self:
            Unpacked._holder = None

    def _hold(self) -> _Stream:
        if Unpacked._holder is not None:
            Unpacked._holder._stream = None  # noqa: SLF001 - one of ours
        Unpacked._holder = self
        self._stream = stream = _OPEN[self._codec](self._packed)
        given, self._given = self._given, 0
        self.skip(given)
        return stream


class _Blocks:
    """What a generator gives, as a stream. It holds one block, and no copy of it."""

    def __init__(self, blocks: Iterator[_Stream]) -> None:
        self._blocks = blocks
        self._block: _Stream = io.BytesIO()

    def read(self, size: int) -> bytes:
        while not (found := self._block.read(size)):
            self._block = io.BytesIO()  # before the next one is made
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._block = block
        return found


def _snappy(packed: bytes | memoryview) -> Iterator[_Stream]:
    """Give the blocks of a snappy batch, in xerial's framing or none. One is at most some twenty times its size."""
    data = bytes(packed)
    if not data.startswith(_XERIAL):
        yield _block(data)
        return
    at = 0
    while at < len(data):
        if data.startswith(_XERIAL, at):  # may come again in the middle: Java's reader takes such
            at += _XERIAL_HEADER
            continue
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        yield _block(data[at + 4 : end])
        at = end


def _block(data: bytes) -> _Stream:
    if cramjam.snappy.decompress_raw_len(data) > MOST_BYTES:
        raise TooLargeError
    unpacked: _Stream = cramjam.snappy.decompress_raw(data)
    return unpacked


class TooLargeError(ValueError):
    """A block says that it holds more than a whole batch may."""


def _window(packed: bytes | memoryview) -> int:
    """Give the window that the first frame asks for; no later one may ask for more than that, or than usual."""
    return zstandard.get_frame_parameters(packed).window_size


def _open_zstd(packed: bytes | memoryview) -> _Stream:
    window = min(max(_window(packed), _ZSTD_WINDOW), _MOST_WINDOW)
    decoder = zstandard.ZstdDecompressor(max_window_size=window)
    return decoder.stream_reader(packed, read_size=16 * 1024, read_across_frames=True)


_OPEN: Final[dict[int, Callable[[bytes | memoryview], _Stream]]] = {
    DefaultRecordBase.CODEC_NONE: io.BytesIO,
    DefaultRecordBase.CODEC_GZIP: lambda packed: gzip.GzipFile(fileobj=io.BytesIO(packed)),
    DefaultRecordBase.CODEC_SNAPPY: lambda packed: _Blocks(_snappy(packed)),
    DefaultRecordBase.CODEC_LZ4: lambda packed: lz4.frame.LZ4FrameFile(io.BytesIO(packed)),
    DefaultRecordBase.CODEC_ZSTD: _open_zstd,
}
