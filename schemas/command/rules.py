"""The rules for single fields, shared by both parsers of `schemas.command` (docs/publishers/command-format.md)."""

import re
from enum import Enum, IntEnum, auto
from functools import lru_cache
from typing import Final

MAX_RECORD_BYTES: Final = 64 * 1024
MAX_METADATA_BYTES: Final = 16 * 1024
MAX_USER_LENGTH: Final = 320
MAX_REFERENCE_LENGTH: Final = 255
MAX_DESCRIPTION_LENGTH: Final = 4096
MAX_SEGMENT_ID: Final = 2**31 - 1
MIN_TIME: Final = 631_152_000
"""1990-01-01T00:00:00Z in Unix seconds."""
END_OF_TIME: Final = 4_102_444_800
"""2100-01-01T00:00:00Z in Unix seconds; expires_at is before it."""
FUTURE_ALLOWED_MS: Final = 5 * 60 * 1000

RESERVED_REFERENCES: Final = ("auto:", "expire:")
EXPIRY_REFERENCE: Final = "expire:"
LIFTED: Final = frozenset({"reference_id", "status_change_timestamp", "description"})
"""Fields that may be in metadata instead of at the top level."""

NETWORK_PATTERN: Final = "[A-Za-z0-9._-]{1,64}"
_NETWORK: Final = re.compile(NETWORK_PATTERN)
_ASCII_WHITE_SPACE: Final = " \t\n\r\v\f"
_ASCII_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class UserStatus(IntEnum):
    """The user_status of a command; the numbers are stored."""

    ADD = 1
    BLOCK = 2
    RESET = 3
    ENTER = 4
    LEAVE = 5
    EXPIRE = 6

    @property
    def text(self) -> str:
        """The word in JSON, in lower case."""
        return self.name.lower()


BY_TEXT: Final = {status.text: status for status in UserStatus}


class Channel(Enum):
    """How a command arrives. It decides which user_status are accepted."""

    KAFKA = auto()
    HTTP = auto()


OVERRIDES: Final = frozenset({UserStatus.ADD, UserStatus.BLOCK})
ALLOWED: Final = {
    Channel.HTTP: {s.text: s for s in (UserStatus.ADD, UserStatus.BLOCK, UserStatus.RESET)},
    Channel.KAFKA: {s.text: s for s in UserStatus if s is not UserStatus.EXPIRE},
}


NOT_BLANK_PATTERN: Final = (
    r"[^\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
)
"""A character for which `str.isspace` is false: neither Unicode white space nor a separator U+001C to U+001F."""


@lru_cache(maxsize=4096)
def is_network_id(text: str) -> bool:
    """Whether the whole text is a network_id."""
    return _NETWORK.fullmatch(text) is not None


def normalise_user(user: str) -> str:
    r"""Return a user's identifier as stored in the log (docs/publishers/command-format.md).

    An identifier with `@` is an email: ASCII white space (space, \t, \n, \r, \v, \f) is trimmed and A-Z become
    a-z. Nothing else changes: casefold would make straße and strasse one person. Other identifiers stay as they are.
    reporting.normalise_user is the same rule in SQL.
    """
    if "@" not in user:
        return user
    user = user.strip(_ASCII_WHITE_SPACE)
    return user.lower() if user.isascii() else user.translate(_ASCII_LOWER)
