"""The strict reader of `schemas.command`: the definition of a valid command.

Parses strictly (`schemas.command.json_text`), checks every field, and reports every error,
not only the first.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Final

import msgspec

from schemas.command.canonical import canonical_json, compact_json
from schemas.command.field_reader import FieldReader, encodable, guess, kind
from schemas.command.json_text import JsonObject, escape, read_json, stored_as_sent, unstorable
from schemas.command.rules import (
    ALLOWED,
    BY_TEXT,
    END_OF_TIME,
    EXPIRY_REFERENCE,
    LIFTED,
    MAX_DESCRIPTION_LENGTH,
    MAX_METADATA_BYTES,
    MAX_REFERENCE_LENGTH,
    MAX_SEGMENT_ID,
    MAX_USER_LENGTH,
    OVERRIDES,
    RESERVED_REFERENCES,
    Channel,
    UserStatus,
    is_network_id,
    normalise_user,
)

FIELDS: Final = (
    "network_id",
    "user",
    "segment_id",
    "user_status",
    "metadata",
    "reference_id",
    "status_change_timestamp",
    "description",
    "expires_at",
)
MAX_ERRORS: Final = 20

_SUGGESTED: Final = 5
_raw_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Metadata:
    """Metadata without the lifted fields: its JSON text and its canonical form."""

    text: str
    canonical: bytes


_BATCH: Final = {
    Channel.KAFKA: ": a batch? Send one command per record",
    Channel.HTTP: ": send an array of commands to …/segments/batch",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of the strict reader. user: as sent; times: Unix seconds."""

    network_id: str
    user: str
    segment_id: int
    user_status: UserStatus
    metadata: Metadata | None
    reference_id: str | None
    status_change_timestamp: int | None
    description: str | None
    expires_at: int | None


def read_strictly(
    value: bytes, channel: Channel, network_id: str | None, *, expiry_signed: bool
) -> Reading:
    """Parse a command; as `schemas.command.read_command`. Raises Refusal."""
    return _Reader(value, channel, network_id, expiry_signed=expiry_signed).read()


class _Reader(FieldReader):
    """Reads field by field and collects errors; a wrong field reads as None."""

    def __init__(
        self, value: bytes, channel: Channel, network_id: str | None, *, expiry_signed: bool
    ) -> None:
        super().__init__()
        self._value = value
        self._path_network = network_id
        self._signed = expiry_signed and channel is Channel.KAFKA
        self._allowed = ALLOWED[channel]
        self._batch = _BATCH[channel]
        self._tree: JsonObject = JsonObject([])
        self._storable = True

    def read(self) -> Reading:
        tree = read_json(self._value)
        if not isinstance(tree, JsonObject):
            meant = self._batch if isinstance(tree, list) else guess(tree)
            self._wrong("", f"must be a JSON object; {kind(tree)} was sent{meant}")
            raise self._refusal()
        self._tree = tree
        self._errors += islice(unstorable(tree), MAX_ERRORS)
        self._storable = not self._errors
        self._unknown_fields()
        network_id = self._network_id()
        user = self._user()
        segment_id = self._segment_id()
        status = self._user_status()
        inner, metadata = self._metadata()
        reference = self._lifted_text("reference_id", inner, MAX_REFERENCE_LENGTH)
        reference = self._reference(reference, status)
        time = self._lifted_time(inner)
        if status is UserStatus.EXPIRE and time is None:
            self._wrong("/status_change_timestamp", "is required with expire")
        description = self._lifted_text("description", inner, MAX_DESCRIPTION_LENGTH)
        expires_at = self._expires_at(status, time)
        if (
            self._errors
            or network_id is None
            or user is None
            or segment_id is None
            or status is None
        ):
            raise self._refusal(
                network_id=network_id,
                user=None if user is None else normalise_user(user),
                reference_id=reference,
                segment_id=segment_id,
                user_status=None if status is None else status.text,
                status_change_timestamp=time,
            )
        return Reading(
            network_id,
            user,
            segment_id,
            status,
            metadata,
            reference,
            time,
            description,
            expires_at,
        )

    def _unknown_fields(self) -> None:
        unknown = [name for name in self._tree if name not in FIELDS]
        for index, name in enumerate(unknown[:MAX_ERRORS]):
            close = get_close_matches(name[:100], FIELDS, 1) if index < _SUGGESTED else []
            meant = f": {close[0]} misspelt?" if close else ""
            self._wrong(f"/{escape(name)}", f"is not a field of a command{meant}")

    def _network_id(self) -> str | None:
        path, sent = self._path_network, self._tree.get("network_id")
        if path is not None and (sent is None or sent == ""):
            sent = path
        if "network_id" not in self._tree and path is None:
            self._wrong("/network_id", "is required")
        elif type(sent) is not str:
            self._wrong("/network_id", f"must be a string; {kind(sent)} was sent")
        elif not is_network_id(sent):
            self._wrong("/network_id", "must be 1 to 64 of A-Z a-z 0-9 . _ -")
        elif path is not None and sent != path:
            self._wrong("/network_id", "must be the network of the path, or absent")
        else:
            return sent
        return path if path is not None and is_network_id(path) else None

    def _user(self) -> str | None:
        user = self._text(self._tree, "user", "/user", required=True)
        if user is None:
            return None
        if user.isspace():
            self._wrong("/user", "must not be only white space")
            return None
        length = len(normalise_user(user))
        if length > MAX_USER_LENGTH:
            self._wrong("/user", f"is {length} characters long; the limit is {MAX_USER_LENGTH}")
            return None
        return user

    def _segment_id(self) -> int | None:
        segment_id = self._integer(self._tree, "segment_id", "/segment_id", required=True)
        if segment_id is not None and not 1 <= segment_id <= MAX_SEGMENT_ID:
            self._wrong("/segment_id", f"must be 1 to {MAX_SEGMENT_ID}")
            return None
        return segment_id

    def _user_status(self) -> UserStatus | None:
        text = self._text(self._tree, "user_status", "/user_status", required=True)
        if text is None:
            return None
        status = self._allowed.get(text)
        if status is None and text == UserStatus.EXPIRE.text and self._signed:
            status = UserStatus.EXPIRE
        if status is None:
            *most, last = self._allowed
            message = f"must be {', '.join(most)} or {last}"
            if text == UserStatus.EXPIRE.text:
                message += "; expire is reserved for the service, which signs it"
            elif text in BY_TEXT:
                message += "; enter and leave are for automation, and not accepted over HTTP"
            elif text.strip().lower() in BY_TEXT:
                message += ", in lower case and without white space"
            self._wrong("/user_status", message)
        return status

    def _metadata(self) -> tuple[JsonObject, Metadata | None]:
        """Return metadata as sent, from which fields are lifted, and the rest without them."""
        sent = self._tree.get("metadata")
        if sent is None or sent == "":
            return JsonObject([]), None
        if not isinstance(sent, JsonObject):
            self._wrong("/metadata", f"must be a JSON object; {kind(sent)} was sent{guess(sent)}")
            return JsonObject([]), None
        if not self._storable:
            return sent, None
        raw = bytes(_raw_fields(self._value)["metadata"])
        if len(raw) > MAX_METADATA_BYTES:
            message = f"is {len(raw)} bytes as sent; the limit is {MAX_METADATA_BYTES}"
            self._wrong("/metadata", message)
            return sent, None
        rest = {key: item for key, item in sent.items() if key not in LIFTED}
        if not rest:
            return sent, None
        text = (
            raw.decode()
            if len(rest) == len(sent) and stored_as_sent(sent)
            else compact_json(encodable(rest, canonical=False)).decode()
        )
        return sent, Metadata(text, canonical_json(encodable(rest, canonical=True)))

    def _lifted_text(self, name: str, inner: JsonObject, most: int) -> str | None:
        values = [
            text
            for place, parent in (("", self._tree), ("/metadata", inner))
            if (text := self._text(parent, name, f"{place}/{name}", most=most)) is not None
        ]
        return self._single(name, values)

    def _lifted_time(self, inner: JsonObject) -> int | None:
        name = "status_change_timestamp"
        values = [
            time
            for place, parent in (("", self._tree), ("/metadata", inner))
            if (time := self._integer(parent, name, f"{place}/{name}")) is not None
        ]
        return self._single(name, values)

    def _reference(self, reference: str | None, status: UserStatus | None) -> str | None:
        pointer = "/reference_id"
        if reference is not None and not self._tree.get("reference_id"):
            pointer = "/metadata/reference_id"
        if status is UserStatus.EXPIRE:
            if reference is None or not reference.startswith(EXPIRY_REFERENCE):
                self._wrong(pointer, f"must begin with {EXPIRY_REFERENCE} with user_status expire")
                return None
        elif reference is not None and reference.startswith(RESERVED_REFERENCES):
            self._wrong(pointer, "must not begin with auto: or expire:")
            return None
        return reference

    def _expires_at(self, status: UserStatus | None, time: int | None) -> int | None:
        expires_at = self._integer(self._tree, "expires_at", "/expires_at")
        if expires_at is None:
            return None
        if status is not None and status not in OVERRIDES:
            self._wrong("/expires_at", "is allowed only with add and block")
        if expires_at >= END_OF_TIME:
            message = "must be before 2100-01-01T00:00:00Z, in Unix seconds"
            self._wrong("/expires_at", message)
        elif time is not None and expires_at <= time:
            self._wrong("/expires_at", "must be after the command's time")
        return expires_at
