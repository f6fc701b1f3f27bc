"""Signatures are accepted once: records those of a batch, and finds those already used."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

from schemas.headers import SignatureFault
from service.postgres.database import statements
from service.runtime.logs import get_logger
from service.runtime.telemetry import INVALID_SIGNATURES, measures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import asyncpg

    from schemas.headers import Headers
    from service.log.batch import Batch
    from service.log.validate import KafkaRecord, RejectedRecord, ValidCommand

log = get_logger("signatures")
SQL = statements("service.log.sql")
_FIX = {
    SignatureFault.NO_KEY: "set SEGMENTS_SIGNING_KEY of this process to the publishers' signing key",
    SignatureFault.WRONG: "set SEGMENTS_SIGNING_KEY or SEGMENTS_SIGNING_KEY_OLD to the publishers' signing key",
    SignatureFault.LATE: "compare the clocks of publishers and brokers, unless the broker was unavailable",
    SignatureFault.AGAIN: "find out who published a copy; its position is in reporting.event or reporting.rejected",
}


def _read(batch: Batch) -> Iterator[tuple[KafkaRecord, Headers]]:
    records: Iterable[ValidCommand | RejectedRecord] = chain(batch.candidates, batch.rejected)
    return ((one.record, one.headers) for one in records)


async def claim(connection: asyncpg.Connection[Any], batch: Batch) -> set[int]:
    """Record the signatures of a batch in the append's transaction; return the offsets of those used before."""
    signed = sorted(
        (headers.nonce, record.offset) for record, headers in _read(batch) if headers.nonce
    )
    if not signed:
        return set()
    rows = await connection.fetch(
        SQL["claim_signatures"], [n.signed_at for n, _ in signed], [n.digits for n, _ in signed]
    )
    return {signed[row["nth"]][1] for row in rows}


def faults_in(batch: Batch) -> Counter[tuple[str, SignatureFault]]:
    """Count the invalid signatures of a batch, by claimed source and fault."""
    return Counter(
        (headers.claimed or "", headers.signature_fault)
        for _, headers in _read(batch)
        if headers.signature_fault is not None
    )


async def count_invalid(connection: asyncpg.Connection[Any], batch: Batch) -> None:
    """Count invalid signatures in the append's transaction; `segments status` shows them."""
    counts = faults_in(batch)
    if counts:
        sources, causes = zip(*counts, strict=True)
        await connection.execute(
            SQL["count_invalid_signatures"],
            batch.lane_id,
            list(sources),
            list(causes),
            list(counts.values()),
        )


class InvalidSignatureReport:
    """Counts invalid signatures, and logs each source and fault once."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, SignatureFault]] = set()
        measures(INVALID_SIGNATURES)

    def add(self, batch: Batch) -> None:
        """Count those of a stored batch."""
        for (source, cause), count in faults_in(batch).items():
            INVALID_SIGNATURES.labels(source).inc(count)
            if (source, cause) not in self._logged:
                self._logged.add((source, cause))
                log.warning(
                    "signature not accepted", source=source, cause=cause.value,
                    lane=f"{batch.lane.topic}-{batch.lane.partition}", fix=_FIX[cause],
                )  # fmt: skip
