"""Cursors: where a list goes on, and in answer to which question. Opaque, url-safe, and never believed unchecked."""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, TypeVar

import msgspec

from projections.http.query_parameters import micros, of_micros
from projections.queries.rows import Moment
from service.http.kit.parameters import wrong

if TYPE_CHECKING:
    from service.runtime.settings import Settings

_SEAL_BYTES = 12


class MembersCursor(msgspec.Struct, array_like=True, frozen=True, tag="members"):
    """After which person_id, and the question. Moments in Unix microseconds."""

    network_id: str
    segment_id: int
    as_of: int | None
    known_at: int | None
    after: int


class ResultsCursor(msgspec.Struct, array_like=True, frozen=True, tag="results"):
    """After which place of the log, and the question."""

    network_id: str
    reference_id: str
    lane_id: int
    offset: int


class EventsCursor(msgspec.Struct, array_like=True, frozen=True, tag="events"):
    """Before which event, by its place in the log, and of which key."""

    network_id: str
    segment_id: int
    user: str
    lane_id: int
    offset: int


class SegmentsCursor(msgspec.Struct, array_like=True, frozen=True, tag="segments"):
    """After which segment_id, and the question. Moments in Unix microseconds."""

    network_id: str
    user: str
    as_of: int | None
    known_at: int | None
    after: int


Cursor = TypeVar("Cursor", MembersCursor, ResultsCursor, EventsCursor, SegmentsCursor)


def moment_of(cursor: MembersCursor | SegmentsCursor, given: Moment) -> Moment:
    """Give the moment of a cursor, which the one given beside it must not contradict. Raises: Problem 400."""
    for name, moment in given._asdict().items():
        if moment is not None and micros(moment) != getattr(cursor, name):
            raise wrong("cursor", f"was given for another {name}")
    return Moment(of_micros(cursor.as_of), of_micros(cursor.known_at))


class Cursors:
    """Seals cursors with SEGMENTS_SIGNING_KEY, so that every api process takes them.

    Without that key the seal shows mistakes alone. A forged cursor gets nobody further than the key that is sent with
    it: network and segment are those of the path, or the cursor is refused.
    """

    def __init__(self, settings: Settings) -> None:
        self._key, *self._others = [b"cursor" + key for key in settings.signing_secrets] or [
            b"cursor"
        ]

    def give(self, cursor: MembersCursor | ResultsCursor | EventsCursor | SegmentsCursor) -> str:
        """Give the text of a cursor."""
        payload = msgspec.msgpack.encode(cursor)
        seal = self._seal(payload, self._key)
        return base64.urlsafe_b64encode(seal + payload).rstrip(b"=").decode()

    def read(self, text: str, kind: type[Cursor]) -> Cursor:
        """Read a cursor that was given here. Raises: Problem 400."""
        try:
            sent = text.encode("ascii")
            raw = base64.b64decode(sent + b"=" * (-len(sent) % 4), b"-_", validate=True)
            seal, payload = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
            seals = [self._seal(payload, key) for key in (self._key, *self._others)]
            if sum(hmac.compare_digest(seal, one) for one in seals) == 0:
                raise wrong("cursor", "is not as it was given")
            return msgspec.msgpack.decode(payload, type=kind)
        except (ValueError, msgspec.MsgspecError):
            raise wrong("cursor", "is none of this list") from None

    @staticmethod
    def _seal(payload: bytes, key: bytes) -> bytes:
        return hmac.digest(key, payload, "sha256")[:_SEAL_BYTES]
