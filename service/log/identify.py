"""The identity of a command: its person, segment, digests and log key; determined before the append."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.command import check_times
from schemas.command.refusal import Reason, Refusal
from schemas.headers import NO_HEADERS
from schemas.position import Position
from service.log import identity
from service.log.copy_format import copy_row, lane_bytes
from service.log.erased_names import (
    PREFIX,
    find_erased,
    find_nobodys,
    refuse_erased,
    refuse_name,
)
from service.log.expire_events import NAMES_NONE, find_named, settle_expiry
from service.log.origins import honour_origins, read_replay
from service.log.people import UNKNOWN_TIME, Person, by_name
from service.log.validate import is_expiry, rejected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from service.log.batch import Batch
    from service.log.expire_events import NamedEvent
    from service.log.people import Identifier, People
    from service.log.validate import ValidCommand
    from service.registry.segments import Registered, Which


def identify(
    batch: Batch,
    candidates: Sequence[ValidCommand],
    segments: Mapping[Which, Registered],
    people: Mapping[str, Person],
) -> list[ValidCommand]:
    """Set the person, segment, digests and log key of each command.

    people: by `network_id:user`. Returns the candidates whose person or segment is missing.
    It is one loop with few calls, because it runs for every record. The row is encoded here while its parts are in the
    processor's cache.
    """
    unknown: list[ValidCommand] = []
    lane = batch.lane
    lane_name = lane_bytes(lane)
    auto = f"{identity.AUTO}{lane.topic}-{lane.partition}-"
    for candidate in candidates:
        command = candidate.command
        network_id = command.network_id
        name = f"{network_id}:{command.user}"
        person = people.get(name)
        registered = segments.get((network_id, command.segment_id))
        if person is None or registered is None:
            unknown.append(candidate)
            continue
        candidate.salt = salt = person.salt
        candidate.identifier = key = name.encode()
        record = candidate.record
        if record.key != key and record.key is not None:
            batch.miskeyed += 1
        segment_key, candidate.archived = registered
        candidate.segment_key = segment_key
        candidate.content = content = identity.content_digest(command.content, salt)
        reference_id, time, discriminator = command.reference_id, candidate.time, ""
        if command.status_change_timestamp is None:
            discriminator = str(Position(*lane, record.offset))
            if reference_id is None:
                reference_id = f"{auto}{record.offset}"
        else:
            if reference_id is None:
                reference_id = identity.AUTO + content.hex()
            # Repeats are rarely newer than the person's other commands: a hint which ones to look for in the log.
            newest = person.newest
            candidate.suspect = time <= newest
            if time > newest or newest == UNKNOWN_TIME:
                person.newest = time
        candidate.place = (person.person_id, segment_key or 0, time, reference_id, discriminator)
        if candidate.headers is NO_HEADERS:
            copy_row(candidate, lane_name)
        else:
            candidate.row = candidate.covered = b""  # encoded later, once all is known
            _identify_by_headers(batch, candidate, salt)
    return unknown


def _identify_by_headers(batch: Batch, candidate: ValidCommand, salt: bytes) -> None:
    """Set the idempotency key and its digest; note retries and expiries, which need a query and are encoded later."""
    headers, command = candidate.headers, candidate.command
    if headers.origin is not None or is_expiry(candidate):
        candidate.suspect = True
        batch.odd.append(candidate)
    if headers.idempotency_key is None:
        return
    candidate.idempotency = (command.network_id, identity.key_digest(headers.idempotency_key))
    candidate.request = identity.request_digest(
        command.content,
        salt,
        segment_id=command.segment_id,
        user=command.user,
        reference_id=command.reference_id,
        status_change_timestamp=command.status_change_timestamp,
    )


def are_plain(candidates: Sequence[ValidCommand]) -> bool:
    """Whether only the people of these are missing: none is a retry, an expiry, or named like an erased person."""
    return not any(
        c.headers.origin is not None or is_expiry(c) or c.command.user.startswith(PREFIX)
        for c in candidates
    )


async def identify_rest(
    connection: asyncpg.Connection[Any],
    batch: Batch,
    unknown: Sequence[ValidCommand],
    segments: Mapping[Which, Registered],
    people: People,
) -> dict[Identifier, Person]:
    """Identify what needs a query: people not in memory, retries, expiries.

    segments: those of `unknown`.
    Returns: the people, to be cached once the transaction is committed.
    """
    named = await find_named(
        connection,
        [c for c in (*unknown, *batch.odd) if is_expiry(c) and read_replay(c.headers) is None],
        segments,
    )
    # Their people may be erased: no new one is made with that name.
    nobodys = {i: one.person_id for i, one in named.items()} | await find_nobodys(
        connection, unknown
    )
    strangers = []
    for candidate in unknown:
        if id(candidate) in nobodys:
            person = Person(nobodys[id(candidate)], b"", UNKNOWN_TIME)
            name = f"{candidate.command.network_id}:{candidate.command.user}"
            identify(batch, [candidate], segments, {name: person})
        else:
            strangers.append(candidate)
    refused = await refuse_erased(connection, strangers)
    if refused:
        batch.rejected += refused
        out = {one.record.offset for one in refused}
        batch.candidates[:] = [c for c in batch.candidates if c.record.offset not in out]
        strangers = [c for c in strangers if c.record.offset not in out]
    identifiers = {(c.command.network_id, c.command.user) for c in strangers}
    of_rejected = {
        (r.network_id, r.user)
        for r in batch.rejected
        if r.network_id is not None and r.user is not None
    }
    # A person made with the name of an erased one would be known from then on, and its commands accepted.
    of_rejected -= await find_erased(connection, of_rejected)
    identified = await people.find(connection, identifiers | of_rejected)
    identify(batch, strangers, segments, by_name(identified))
    for one in batch.rejected:
        known = identified.get((one.network_id, one.user))  # type: ignore[arg-type]
        if known is not None:
            one.person_id = known.person_id
    retries = [
        c for c in batch.odd if c.headers.origin and c.command.status_change_timestamp is None
    ]
    await honour_origins(connection, retries)
    for candidate in batch.odd:
        _settle_odd(batch, candidate, named.get(id(candidate)))
    return identified


def _settle_odd(batch: Batch, candidate: ValidCommand, named: NamedEvent | None) -> None:
    """Check the time of a retry's first receipt; set the event that an expiry names."""
    replay = read_replay(candidate.headers)
    if replay is not None and replay.is_erased and candidate.salt:
        batch.candidates.remove(candidate)
        batch.rejected.append(refuse_name(candidate))
        return
    if candidate.headers.origin is not None and candidate.command.status_change_timestamp is None:
        try:
            check_times(candidate.command, candidate.time, candidate.received_ms)
        except Refusal as refusal:
            batch.candidates.remove(candidate)
            batch.rejected.append(rejected(candidate, refusal.reason, refusal.detail))
            return
    if is_expiry(candidate) and candidate.segment_key is not None:
        if replay is not None:
            batch.names_later = True
        elif named is None:
            batch.candidates.remove(candidate)
            batch.rejected.append(
                rejected(
                    candidate,
                    Reason.INVALID_FIELD,
                    NAMES_NONE,
                )
            )
        else:
            settle_expiry(candidate, named)
