"""Cursors of lists: the position and the query that it belongs to. Opaque, URL-safe, and verified before use."""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec

from projections.http.query_parameters import micros, of_micros
from projections.queries.rows import Moment
from service.http.kit.parameters import wrong

if TYPE_CHECKING:
    from service.runtime.settings import Settings

_SEAL_BYTES = 12


class MembersCursor(msgspec.Struct, array_like=True, frozen=True, tag="members"):
    """The last person_id, and the query. Moments in Unix microseconds.

    since: of the last member, if the list is sorted by it.
    """

    network_id: str
    segment_id: int
    as_of: int | None
    known_at: int | None
    snapshot: str | None
    after: int
    sort: str | None = None
    since: int | None = None


class ResultsCursor(msgspec.Struct, array_like=True, frozen=True, tag="results"):
    """The last position in the log, and the query."""

    network_id: str
    reference_id: str
    lane_id: int
    offset: int


class EventsCursor(msgspec.Struct, array_like=True, frozen=True, tag="events"):
    """The earliest event of the page by its position in the log, and its key."""

    network_id: str
    segment_id: int
    user: str
    lane_id: int
    offset: int


class SegmentsCursor(msgspec.Struct, array_like=True, frozen=True, tag="segments"):
    """The last segment_id, and the query. Moments in Unix microseconds."""

    network_id: str
    user: str
    as_of: int | None
    known_at: int | None
    snapshot: str | None
    after: int


_MOST = 2**63 - 1


class PlaceCursor(msgspec.Struct, array_like=True, frozen=True, tag="place"):
    """The last row of a list, and the list with its filters. at: Unix microseconds."""

    network_id: str
    of: str
    at: Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999_999)]
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{0,40}$")]
    number: Annotated[int, msgspec.Meta(ge=0, le=_MOST)]


class LateCursor(msgspec.Struct, array_like=True, frozen=True, tag="late"):
    """The last of a page of a day's late commands, and the day's numbers before it. at: Unix microseconds."""

    network_id: str
    segment_id: int
    day: str
    at: Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999_999)]
    topic: str
    partition: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    epoch: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    offset: Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
    members: Annotated[int, msgspec.Meta(ge=-_MOST, le=_MOST)]
    joined: Annotated[int, msgspec.Meta(ge=-_MOST, le=_MOST)]
    left: Annotated[int, msgspec.Meta(ge=-_MOST, le=_MOST)]


Cursor = TypeVar(
    "Cursor",
    MembersCursor,
    ResultsCursor,
    EventsCursor,
    SegmentsCursor,
    PlaceCursor,
    LateCursor,
)


def encoded(moment: Moment) -> tuple[int | None, int | None, str | None]:
    """Return a moment as cursors have it."""
    return micros(moment.as_of), micros(moment.known_at), moment.snapshot


def moment_of(cursor: MembersCursor | SegmentsCursor, requested: Moment) -> Moment:
    """Return the moment of a cursor; the request must not contradict it. Raises: Problem 400."""
    for name, value in zip(Moment._fields, encoded(requested), strict=True):
        if value is not None and value != getattr(cursor, name):
            raise wrong("cursor", f"belongs to another {name}")
    return Moment(of_micros(cursor.as_of), of_micros(cursor.known_at), cursor.snapshot)


class Cursors:
    """Signs cursors with SEGMENTS_SIGNING_KEY, so that every api process accepts them.

    Without that key the signature detects only mistakes. A forged cursor gives no access beyond the API key of the
    request: its network and segment must be those of the path.
    """

    def __init__(self, settings: Settings) -> None:
        self._key, *self._others = [b"cursor" + key for key in settings.signing_secrets] or [
            b"cursor"
        ]

    def encode(self, cursor: msgspec.Struct) -> str:
        """Encode a cursor."""
        payload = msgspec.msgpack.encode(cursor)
        seal = self._seal(payload, self._key)
        return base64.urlsafe_b64encode(seal + payload).rstrip(b"=").decode()

    def read(self, text: str, kind: type[Cursor]) -> Cursor:
        """Decode a cursor. Raises: Problem 400."""
        try:
            sent = text.encode("ascii")
            raw = base64.b64decode(sent + b"=" * (-len(sent) % 4), b"-_", validate=True)
            seal, payload = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
            seals = [self._seal(payload, key) for key in (self._key, *self._others)]
            # The last character has bits that no byte needs: only one spelling is a cursor.
            is_plain = base64.urlsafe_b64encode(raw).rstrip(b"=") == sent
            if not is_plain or sum(hmac.compare_digest(seal, one) for one in seals) == 0:
                raise wrong("cursor", "was altered")
            return msgspec.msgpack.decode(payload, type=kind)
        except (ValueError, msgspec.MsgspecError):
            raise wrong("cursor", "is not a cursor of this list") from None

    @staticmethod
    def _seal(payload: bytes, key: bytes) -> bytes:
        return hmac.digest(key, payload, "sha256")[:_SEAL_BYTES]
