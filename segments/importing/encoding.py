"""Detects files that are not UTF-8."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# ASCII in UTF-16 without a byte order mark: every other byte is zero.
_BARE_UTF_16 = re.compile(rb"(?:[\t\n\r -~]\x00){4}|(?:\x00[\t\n\r -~]){4}")
_CHUNK = 1024 * 1024
_HOW = (
    "save it as UTF-8 (in Excel: Save As, `CSV UTF-8`), or convert it with `iconv -f {} -t UTF-8`"
)


def utf_16_fault(path: Path) -> str | None:
    """Return a message if a file is UTF-16, with what to do."""
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(_UTF_16) or _BARE_UTF_16.match(start):
        return f"it is UTF-16, not UTF-8: {_HOW.format('UTF-16')}"
    return None


def cp_1252_fault(path: Path) -> str | None:
    """Return a message if a file seems to be CP-1252, as Excel saves plain `CSV`, with what to do.

    That is, no non-ASCII character of the file is valid UTF-8. If some are, the file is UTF-8 with a few broken lines.
    """
    broken = None
    decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
    line = 1
    with path.open("rb") as file:
        if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8:
            return None
        file.seek(0)
        chunk = b"x"
        while chunk:
            chunk = file.read(_CHUNK)
            text = decoder.decode(chunk, final=not chunk)
            if not text.isascii():
                for letter in re.finditer(r"[^\x00-\x7f]", text):
                    if not "\udc80" <= letter[0] <= "\udcff":
                        return None
                    if broken is None:
                        number = line + text.count("\n", 0, letter.start())
                        broken = f"byte 0x{ord(letter[0]) - 0xDC00:02x} in line {number}"
            line += text.count("\n")
    if broken is None:
        return None
    return f"it is not UTF-8 ({broken}); it seems to be CP-1252: {_HOW.format('CP1252')}"
