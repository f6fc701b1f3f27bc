"""Decompresses a record batch in pieces, so that memory does not depend on its decompressed size."""

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

# The size of one read. A batch that fits needs no second read.
PIECE: Final = 256 * 1024
# The maximum decompressed size of a batch.
MOST_BYTES: Final = 64 * 1024 * 1024
# A zstd decoder keeps a window of its output, up to 128 MiB as the frame demands. If it is larger than zstd's levels up
# to 19 use, the limit of the batch is lower.
_ZSTD_WINDOW: Final = 8 * 1024 * 1024
_MOST_WINDOW: Final = 128 * 1024 * 1024
MOST_BYTES_OF_LONG_WINDOWS: Final = 16 * 1024 * 1024
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = 16


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Unpacked:
    """The decompressed content of a batch, as a stream.

    Only one instance per process holds a decoder, because decoders keep up to all of their output. Reading another
    instance takes the decoder over; the first one then starts again and skips what it has returned.
    """

    _holder: ClassVar[Unpacked | None] = None

    def __init__(self, codec: int, packed: bytes | memoryview) -> None:
        self._codec = codec
        self._packed = packed
        self._stream: _Stream | None = None
        self._returned = 0

    @property
    def most_bytes(self) -> int:
        """The maximum decompressed size."""
        if self._codec == DefaultRecordBase.CODEC_ZSTD and _window(self._packed) > _ZSTD_WINDOW:
            return MOST_BYTES_OF_LONG_WINDOWS
        return MOST_BYTES

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end. Raises: any decoder's error for broken data."""
        stream = self._stream or self._hold()
        pieces = []
        while size > 0 and (piece := stream.read(min(size, PIECE))):
            pieces.append(piece)
            size -= len(piece)
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._returned += len(content)
        return content

    def skip(self, size: int) -> int:
        """Skip up to `size` bytes; return the number of skipped bytes."""
        passed = 0
        while passed < size and (piece := self.read(min(size - passed, PIECE))):
            passed += len(piece)
        return passed

    def rewind(self) -> None:
        """Start again from the first byte."""
        self.close()
        self._returned = 0

    def close(self) -> None:
        """Release the decoder."""
        self._stream = None
        if Unpacked._holder is self:
            Unpacked._holder = None

    def _hold(self) -> _Stream:
        if Unpacked._holder is not None:
            Unpacked._holder._stream = None  # noqa: SLF001 - same class
        Unpacked._holder = self
        self._stream = stream = _OPEN[self._codec](self._packed)
        returned, self._returned = self._returned, 0
        self.skip(returned)
        return stream


class _Blocks:
    """A generator of blocks as a stream. It holds one block at a time, without a copy."""

    def __init__(self, blocks: Iterator[_Stream]) -> None:
        self._blocks = blocks
        self._block: _Stream = io.BytesIO()

    def read(self, size: int) -> bytes:
        while not (content := self._block.read(size)):
            self._block = io.BytesIO()  # released before the next one is created
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._block = block
        return content


def _snappy(packed: bytes | memoryview) -> Iterator[_Stream]:
    """Yield the blocks of a snappy batch, with or without xerial framing. A block expands at most about twentyfold."""
    data = bytes(packed)
    if not data.startswith(_XERIAL):
        yield _block(data)
        return
    at = 0
    while at < len(data):
        if data.startswith(
            _XERIAL, at
        ):  # may occur again in the middle; Java's reader accepts that
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
    """A block claims a size above the limit of a batch."""


def _window(packed: bytes | memoryview) -> int:
    """Return the window size of the first frame; later frames may use no more than it or the usual size."""
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
