"""The rules for single fields that both routes of `schemas.command` share (contract, section 2)."""

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
"""2100-01-01T00:00:00Z in Unix seconds; expires_at lies before it."""
FUTURE_ALLOWED_MS: Final = 5 * 60 * 1000

RESERVED_REFERENCES: Final = ("auto:", "expire:")
EXPIRY_REFERENCE: Final = "expire:"
LIFTED: Final = frozenset({"reference_id", "status_change_timestamp", "description"})
"""Fields that metadata may hold instead of the top level."""

NETWORK_PATTERN: Final = "[A-Za-z0-9._-]{1,64}"
_NETWORK: Final = re.compile(NETWORK_PATTERN)
_ASCII_WHITE_SPACE: Final = " \t\n\r\v\f"
_ASCII_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class UserStatus(IntEnum):
    """What a command says of a user; the numbers are stored."""

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


class Transport(Enum):
    """Where a command comes in: it decides which user_status may be said."""

    KAFKA = auto()
    HTTP = auto()


OVERRIDES: Final = frozenset({UserStatus.ADD, UserStatus.BLOCK})
ALLOWED: Final = {
    Transport.HTTP: {s.text: s for s in (UserStatus.ADD, UserStatus.BLOCK, UserStatus.RESET)},
    Transport.KAFKA: {s.text: s for s in UserStatus if s is not UserStatus.EXPIRE},
}


NOT_BLANK_PATTERN: Final = (
    r"[^\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
)
"""A character that is no white space, as `str.isspace` has it: Unicode's, and the separators U+001C to U+001F."""


@lru_cache(maxsize=4096)
def is_network_id(text: str) -> bool:
    """Whether a text is a network_id, all of it."""
    return _NETWORK.fullmatch(text) is not None


def normalise_user(user: str) -> str:
    r"""Give a user's identifier as the log knows it (contract, section 2).

    With an `@` it is an email: trimmed of ASCII white space (space, \t, \n, \r, \v, \f), A-Z
    become a-z, nothing else changes: casefold would make straße and strasse one person. Any
    other is taken as it stands. SQL says the same in reporting.normalise_user.
    """
    if "@" not in user:
        return user
    user = user.strip(_ASCII_WHITE_SPACE)
    return user.lower() if user.isascii() else user.translate(_ASCII_LOWER)
