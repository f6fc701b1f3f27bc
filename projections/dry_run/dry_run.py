"""The outcome that a command would have if it were received now, and its key's state before and after.

Nothing is published or written. Everything is read in one REPEATABLE READ, READ ONLY snapshot, by the roles
segments_api or segments_operate. The append's rules decide the identity (`settle.py`), and the fold the state
(`fold.py`), over the whole log, projected or not. Records still in Kafka are not read, and records that arrive before
the command may change its outcome.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from projections.dry_run.fold import SQL, DryFold
from projections.dry_run.overlay import Overlay
from projections.dry_run.settle import LANE_ID, DryCommand, Settled, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    import asyncpg

    from schemas.command import Command

STATE = ("is_member", "override", "automation_says", "member_since", "override_since", "expires_at")
# The state of a key without events.
NOTHING: Mapping[str, Any] = MappingProxyType({**dict.fromkeys(STATE), "is_member": False})


@dataclass(frozen=True, slots=True)
class Verdict:
    """The predicted result of a command.

    outcome: as in view result: applied, no_change, ineffective, superseded, duplicate or rejected. For a late command,
    it is the effect at its place in the fold, or superseded if the log has a later add or block of the key.
    reason, detail: of a rejection, as in view rejected; else None.
    before: the key's state now; after: the state now if the command took effect at its place. Both as in view
    user_segment, with the override's expires_at: {"is_member": bool, "override", "automation_says": str or None,
    "member_since", "override_since", "expires_at": datetime or None}. Equal for a duplicate and a rejection.
    """

    outcome: str
    reason: str | None
    detail: str | None
    before: dict[str, Any]
    after: dict[str, Any]


async def dry_run(
    connection: asyncpg.Connection[Any],
    command: Command,
    idempotency_key: str | None = None,
    topic: str | None = None,
) -> Verdict:
    """Return the predicted result of one command, received now by the database's clock.

    command: from `read_command`; its times need not be checked. idempotency_key: 1 to 255 printable ASCII characters.
    connection, topic: as for `dry_runs`.
    """
    async with dry_runs(connection, topic) as one:
        (verdict,) = await one.predict([DryCommand(command, idempotency_key)])
    return verdict


@asynccontextmanager
async def dry_runs(
    connection: asyncpg.Connection[Any], topic: str | None = None
) -> AsyncIterator[DryRun]:
    """Open a dry run of any number of commands, in one snapshot and at one time.

    connection: outside of a transaction, or in one that has not read yet, which becomes the snapshot.
    topic: `<prefix>.commands`, whose rules apply; None: without rules.
    """
    async with _snapshot(connection):
        now_ms = await connection.fetchval(SQL["now"])
        with Overlay(LANE_ID) as earlier:
            yield DryRun(connection, now_ms, earlier, topic)


@asynccontextmanager
async def _snapshot(connection: asyncpg.Connection[Any]) -> AsyncIterator[None]:
    if connection.is_in_transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
    else:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield


class DryRun:
    """Predicts commands as if they were received now, in order; each includes the effects of those before it.

    now_ms: the time of their receipt, Unix milliseconds.
    """

    def __init__(
        self,
        connection: asyncpg.Connection[Any],
        now_ms: int,
        earlier: Overlay,
        topic: str | None,
    ) -> None:
        self._topic = topic
        self._connection = connection
        self._earlier = earlier
        self._fold = DryFold(connection, earlier)
        self.now_ms = now_ms

    async def predict(self, commands: Sequence[DryCommand]) -> list[Verdict]:
        """Predict the next commands, in order.

        Some hundreds per call are fastest. Memory and time do not grow with earlier commands, except that each command
        older than others of its key folds the whole key again.
        """
        settled = await settle(self._connection, commands, self.now_ms, self._earlier, self._topic)
        folded = await self._fold.fold([one for one in settled if one.candidate.segment_key])
        return [_verdict(one, folded.get(one.candidate.record.offset, {})) for one in settled]


def _verdict(settled: Settled, folded: Mapping[bool, Mapping[str, Any]]) -> Verdict:
    before, after = (
        {name: row[name] for name in STATE}
        for row in (folded.get(False, NOTHING), folded.get(True, NOTHING))
    )
    refused = settled.rejected
    if refused is not None:
        return Verdict("rejected", refused.reason.value, refused.detail, before, after)
    outcome = folded[True]["outcome"] if settled.is_event else "duplicate"
    return Verdict(outcome, None, None, before, after)
