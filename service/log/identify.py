"""What tells a command from others: its person, segment, digests and place in the log; found before the append."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.command import check_times
from schemas.command.refusal import Reason, Refusal
from schemas.headers import NO_HEADERS
from schemas.position import Position
from service.log import identity
from service.log.copy_format import copy_row, lane_bytes
from service.log.expire_events import find_named, settle_expiry
from service.log.origins import honour_origins
from service.log.people import UNKNOWN_TIME, Person
from service.log.taken import PREFIX, refuse_taken
from service.log.validate import is_expiry, rejected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from service.log.batch import Batch
    from service.log.expire_events import Named
    from service.log.people import People, Who
    from service.log.validate import ValidCommand
    from service.registry.segments import Registered, Which


def identify(
    batch: Batch,
    candidates: Sequence[ValidCommand],
    segments: Mapping[Which, Registered],
    people: Mapping[str, Person],
) -> list[ValidCommand]:
    """Fill in what tells each command from others: person, segment, digests, place.

    people: by `network_id:user`. Gives those candidates whose person or segment is not among them.
    One loop with few calls into Python, for it is run for every record; and the row is encoded here, while all of it
    lies in the processor's cache.
    """
    unknown: list[ValidCommand] = []
    lane = batch.lane
    lane_name = lane_bytes(lane)
    auto = f"{identity.AUTO}{lane.topic}-{lane.partition}-"
    for candidate in candidates:
        command = candidate.command
        network_id = command.network_id
        who = f"{network_id}:{command.user}"
        person = people.get(who)
        registered = segments.get((network_id, command.segment_id))
        if person is None or registered is None:
            unknown.append(candidate)
            continue
        candidate.salt = salt = person.salt
        candidate.who = key = who.encode()
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
            # Repeats are seldom later than all that was said of the person: a hint which to look for in the log.
            newest = person.newest
            candidate.suspect = time <= newest
            if time > newest or newest == UNKNOWN_TIME:
                person.newest = time
        candidate.place = (person.person_id, segment_key or 0, time, reference_id, discriminator)
        if candidate.headers is NO_HEADERS:
            copy_row(candidate, lane_name)
        else:
            candidate.row = candidate.covered = b""  # encoded once all is known, maybe anew
            _identify_by_headers(batch, candidate, salt)
    return unknown


def _identify_by_headers(batch: Batch, candidate: ValidCommand, salt: bytes) -> None:
    """Fill in what an idempotency key names, and note what takes a look into the log: it is encoded after that."""
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
    """Whether all that is to be found out of these is who their people are: no retries, expiries, erased names."""
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
) -> dict[Who, Person]:
    """Identify what takes a look into Postgres: people not remembered, retries, expiries.

    segments: those of `unknown`.
    Returns: the people, to be remembered once the transaction is committed.
    """
    named = await find_named(
        connection, [c for c in (*unknown, *batch.odd) if is_expiry(c)], segments
    )
    strangers = []
    for candidate in unknown:
        if id(candidate) in named:  # nobody is made of an erased one's name
            whose = Person(named[id(candidate)].person_id, b"", UNKNOWN_TIME)
            who = f"{candidate.command.network_id}:{candidate.command.user}"
            identify(batch, [candidate], segments, {who: whose})
        else:
            strangers.append(candidate)
    refused = await refuse_taken(connection, strangers)
    if refused:
        batch.rejected += refused
        out = {one.record.offset for one in refused}
        batch.candidates[:] = [c for c in batch.candidates if c.record.offset not in out]
        strangers = [c for c in strangers if c.record.offset not in out]
    wanted = {(c.command.network_id, c.command.user) for c in strangers}
    wanted |= {
        (r.network_id, r.user)
        for r in batch.rejected
        if r.network_id is not None and r.user is not None
    }
    found = await people.find(connection, wanted)
    identify(
        batch, strangers, segments, {f"{who[0]}:{who[1]}": person for who, person in found.items()}
    )
    for one in batch.rejected:
        if one.network_id is not None and one.user is not None:
            one.person_id = found[one.network_id, one.user].person_id
    retries = [
        c for c in batch.odd if c.headers.origin and c.command.status_change_timestamp is None
    ]
    await honour_origins(connection, retries)
    for candidate in batch.odd:
        _settle_odd(batch, candidate, named.get(id(candidate)))
    return found


def _settle_odd(batch: Batch, candidate: ValidCommand, named: Named | None) -> None:
    """Check the time of a retry's first receipt; settle which event an expiry names."""
    if candidate.headers.origin is not None and candidate.command.status_change_timestamp is None:
        try:
            check_times(candidate.command, candidate.time, candidate.received_ms)
        except Refusal as refusal:
            batch.candidates.remove(candidate)
            batch.rejected.append(rejected(candidate, refusal.reason, refusal.detail))
            return
    if is_expiry(candidate) and candidate.segment_key is not None:
        if named is None:
            batch.candidates.remove(candidate)
            batch.rejected.append(
                rejected(
                    candidate,
                    Reason.INVALID_FIELD,
                    "/reference_id names no override that lapses then",
                )
            )
        else:
            settle_expiry(candidate, named)
