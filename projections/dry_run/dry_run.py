"""What would become of a command, were it received now: outcome, and its key's state before and after.

Nothing is published and nothing written: all is read in one REPEATABLE READ, READ ONLY snapshot, by the roles
segments_api or segments_operate. Identity is settled by the append's rules (`projections.dry_run.settle`), the state is
folded by the fold (`imagined.py`), over all that the log holds, projected already or not. What is still in Kafka
is not seen, and what arrives before the command itself does may change its outcome.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from projections.dry_run.fold import SQL, DryFold
from projections.dry_run.overlay import Overlay
from projections.dry_run.settle import LANE_ID, Asked, Settled, foresee

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    import asyncpg

    from schemas.command import Command

STATE = ("is_member", "override", "automation_says", "member_since", "override_since", "expires_at")
# Of a key that nothing is known of.
NOTHING: Mapping[str, Any] = MappingProxyType({**dict.fromkeys(STATE), "is_member": False})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would become of a command.

    outcome: as in view result: applied, no_change, ineffective, superseded, duplicate or rejected; of a late command
    what it would do at its place in the fold, superseded if a later add or block of the key is in the log.
    reason, detail: of a rejected one, as in view rejected; else None.
    before: the key's state now; after: the state that would stand now, with the command at its place. Both as in
    view user_segment, with the override's expires_at: {"is_member": bool, "override", "automation_says": str or None,
    "member_since", "override_since", "expires_at": datetime or None}. A duplicate and a rejected record change
    nothing: after equals before.
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
    """Tell what would become of one command, received now by the database's clock.

    command: as `read_command` gives it; of its times nothing need be checked. idempotency_key: 1 to 255 printable ASCII
    characters. connection, topic: as `dry_runs` wants them.
    """
    async with dry_runs(connection, topic) as one:
        (verdict,) = await one.judge([Asked(command, idempotency_key)])
    return verdict


@asynccontextmanager
async def dry_runs(
    connection: asyncpg.Connection[Any], topic: str | None = None
) -> AsyncIterator[DryRun]:
    """Open a dry run of any number of commands, in one snapshot and at one time.

    connection: outside of a transaction, or in one that has read nothing yet: that is made the snapshot.
    topic: `<prefix>.commands`, where they would be published; None: without a look at what it may say.
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
    """Judges commands as if all were received now, one after the other: each meets what those before it did.

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
        self._imagined = DryFold(connection, earlier)
        self.now_ms = now_ms

    async def judge(self, asked: Sequence[Asked]) -> list[Verdict]:
        """Judge the next commands, in their order.

        Some hundreds at a time are quickest. Neither memory nor time grow with what was asked before, but for commands
        that are earlier than others of their key: each of those has it folded anew.
        """
        foreseen = await foresee(self._connection, asked, self.now_ms, self._earlier, self._topic)
        folded = await self._imagined.fold([one for one in foreseen if one.candidate.segment_key])
        return [_verdict(one, folded.get(one.candidate.record.offset, {})) for one in foreseen]


def _verdict(foreseen: Settled, folded: Mapping[bool, Mapping[str, Any]]) -> Verdict:
    before, after = (
        {name: row[name] for name in STATE}
        for row in (folded.get(False, NOTHING), folded.get(True, NOTHING))
    )
    refused = foreseen.rejected
    if refused is not None:
        return Verdict("rejected", refused.reason.value, refused.detail, before, after)
    outcome = folded[True]["outcome"] if foreseen.is_event else "duplicate"
    return Verdict(outcome, None, None, before, after)
