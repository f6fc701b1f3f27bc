"""What is known of each setting besides its value: its description, default and secrecy."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, get_args

import msgspec

from service.runtime.secret import SecretStr
from service.runtime.settings import Settings


class Setting(NamedTuple):
    """The description, default and secrecy of a setting."""

    meaning: str
    default: Any
    is_secret: bool


@cache
def settings_fields() -> dict[str, Setting]:
    """Return every setting by name, in order."""
    fields = {}
    for field in msgspec.structs.fields(Settings):
        if field.name != "explicit":
            kind, meta = get_args(field.type)
            fields[field.name] = Setting(
                meta.description, field.default, SecretStr in get_args(kind)
            )
    return fields
