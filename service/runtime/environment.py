"""Reading the settings from the environment; no other module reads it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

import msgspec

from service.runtime.settings import PREFIX, Settings
from service.runtime.settings_fields import settings_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.runtime.secret import SecretStr

_FILE = "_FILE"
_LEAST_KEY = 32
_LEAST_LETTERS = 10
_PLACEHOLDER = re.compile(
    r"change.?me|replace.?me|example|secret.?key|password|0123456789|your.{0,8}key", re.IGNORECASE
)
_RIGHTS = r"[A-Za-z0-9._-]{1,64}:(?:publish|report|admin)(?:\+(?:publish|report|admin))*"
_GROUP = re.compile(rf"\S+={_RIGHTS}(?:,{_RIGHTS})*")
_HOST = re.compile(r"(\[[^\]]+\]|[^:]*)(:[0-9]*)?")
_WORDS = {"`int`": "an integer", "`float`": "a number", "`str`": "text", "`null`": "nothing"}
_AT = re.compile(r"(?P<fault>.*) - at `\$\.(?P<name>\w+)`", re.DOTALL)


class SettingError(ValueError):
    """A setting has an invalid value."""

    def __init__(self, name: str, fault: str) -> None:
        super().__init__(f"{PREFIX}{name.upper()}: {fault}")


def read_settings(**overrides: Any) -> Settings:
    """Read the settings from the arguments, the environment, or files of secrets, in this order.

    An empty value counts as unset.

    `SEGMENTS_X_FILE` names a file with the value of secret `SEGMENTS_X`; trailing newlines are removed.

    Raises: SettingError; OSError or UnicodeDecodeError if such a file can't be read.
    """
    environ = {name.upper(): value for name, value in os.environ.items() if value}
    values = dict(overrides)
    for name, field in settings_fields().items():
        variable = PREFIX + name.upper()
        if name in overrides:
            continue
        if value := environ.get(variable):
            values[name] = value
        elif field.is_secret and (path := environ.get(variable + _FILE)):
            values |= {name: text} if (text := _secret_in(path)) else {}
    try:
        settings = msgspec.convert(
            values | {"explicit": frozenset(values)}, Settings, strict=False, dec_hook=_decode
        )
    except msgspec.ValidationError as error:
        raise _error(error) from None
    for name, fault_of in _CHECKS.items():
        value = getattr(settings, name)
        if value is not None and (fault := fault_of(value)):
            raise SettingError(name, fault)
    return settings


def _secret_in(path: str) -> str:
    return Path(path).read_text(encoding="utf-8").rstrip("\r\n")


def _decode(kind: type, value: Any) -> Any:
    return value if isinstance(value, kind) else kind(value)


def _error(error: msgspec.ValidationError) -> SettingError:
    """Convert to a SettingError. The value is not shown: it may be a misplaced secret."""
    match = _AT.fullmatch(str(error))
    if match is None:
        raise error
    name = match["name"]
    kind = get_args(Settings.__annotations__[name])[0]
    choices = [
        choice
        for one in (kind, *get_args(kind))
        if get_origin(one) is Literal
        for choice in get_args(one)
    ]
    if choices:
        return SettingError(name, f"must be one of {', '.join(choices)}")
    fault = match["fault"].replace("Expected", "must be", 1).replace(" | null`", "`", 1)
    for type_name, words in _WORDS.items():
        fault = fault.replace(type_name, words)
    return SettingError(name, fault)


def database_url_fault(value: SecretStr) -> str | None:
    """Check the URL without quoting it; the driver's own message would quote the password."""
    with suppress(ValueError):
        parts = urlsplit(value.get_secret_value())
        readable = parts.scheme in ("postgresql", "postgres") and all(
            _HOST.fullmatch(host) for host in parts.netloc.rpartition("@")[2].split(",")
        )
        if readable and all("=" in pair for pair in parts.query.split("&") if parts.query):
            return None
    return "must be postgresql://user:password@host:port/database, with special characters percent-encoded"


def _key_fault(value: SecretStr) -> str | None:
    """Refuse a guessable key, because its holder can sign any command."""
    key = value.get_secret_value()
    if len(key) >= _LEAST_KEY and len(set(key)) >= _LEAST_LETTERS and not _PLACEHOLDER.search(key):
        return None
    return (
        f"must be at least {_LEAST_KEY} random characters, and not a placeholder; generate one with"
        " `openssl rand -base64 32`"
    )


def _rate_fault(value: str) -> str | None:
    if re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour)", value):
        return None
    return "must be NUMBER/second, NUMBER/minute or NUMBER/hour"


def _groups_fault(value: str) -> str | None:
    if all(_GROUP.fullmatch(part) for part in value.split()):
        return None
    return "must be GROUP=NETWORK:SCOPE+SCOPE,NETWORK:SCOPE, several of them separated by spaces"


_CHECKS: dict[str, Callable[[Any], str | None]] = {
    "database_url": database_url_fault,
    "setup_database_url": database_url_fault,
    "signing_key": _key_fault,
    "signing_key_old": _key_fault,
    "oidc_groups": _groups_fault,
    "http_rate_limit": _rate_fault,
    "http_registry_rate_limit": _rate_fault,
}


def unknown_variables() -> list[str]:
    """List environment variables with the prefix of settings that are not settings, such as misspelt ones."""
    known = {PREFIX + name.upper() for name in settings_fields()}
    known |= {
        PREFIX + name.upper() + _FILE
        for name, field in settings_fields().items()
        if field.is_secret
    }
    return sorted(n for n in os.environ if n.upper().startswith(PREFIX) and n.upper() not in known)
