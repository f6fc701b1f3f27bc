"""A sealer on a lane of a database of the test's own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from service.kafka.clients import producing
from service.postgres.database import open_database
from service.seal.audit import Auditor
from service.seal.folder import Folder
from service.seal.note import Checkpoint, Signer, open_checkpoint
from service.seal.role import ROLE
from service.seal.sealer import Sealer
from tests.support.database import connected, make_segments, value
from tests.support.lane import LogLane, log_lanes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from service.runtime.settings import Settings

ORIGIN = "example.com/seal"
STOPPED = "SELECT stopped_because FROM segments.seal_lease"


@dataclass
class Site:
    """An installation that is sealed: its settings, lanes, key and folder."""

    settings: Settings
    lanes: list[LogLane]
    signer: Signer
    folder: Folder

    @property
    def lane(self) -> LogLane:
        return self.lanes[0]

    async def seal(self, rounds: int = 1) -> None:
        """Seal all that was appended, as a process that just started."""
        await quieten(self.settings)
        async with self.sealing() as sealer:
            for _ in range(rounds):
                await sealer.run_round()

    @asynccontextmanager
    async def sealing(self) -> AsyncIterator[Sealer]:
        async with (
            open_database(self.settings, ROLE, 3) as database,
            producing(self.settings, linger_ms=0) as producer,
        ):
            yield Sealer(database, producer, self.folder, self.signer)
        async with connected(self.settings) as connection:  # as when the process had ended long ago
            await connection.execute("UPDATE segments.seal_lease SET until = '-infinity'")

    def checkpoint(self) -> Checkpoint:
        note = self.folder.read_checkpoint()
        assert note is not None
        return open_checkpoint(note, self.signer.verifier)

    async def stopped(self) -> str | None:
        reason: str | None = await value(self.settings, STOPPED)
        return reason


async def audited(site: Site, note: str | None = None, *, tiles: bool = True) -> list[Any]:
    """Audit; note: a checkpoint that was kept elsewhere. tiles: whether the folder is compared too."""
    notes = {} if note is None else {"the given checkpoint": note}
    if tiles and (in_folder := site.folder.read_checkpoint()) is not None:
        notes["the folder"] = in_folder
    async with connected(site.settings, "segments_seal") as connection, connection.transaction():
        await connection.execute("SET LOCAL search_path = pg_catalog, segments")
        folder = site.folder if tiles else None
        return (await Auditor(connection, folder, site.signer.verifier).run(notes)).faults


async def quieten(settings: Settings) -> None:
    """Say that nothing is being appended, as ingest's monitor does each second."""
    async with connected(settings) as connection:
        await connection.execute(
            "UPDATE segments.lane SET quiet_offset = next_offset, quiet_at = clock_timestamp()"
        )


@pytest.fixture
async def site(settings: Settings, tmp_path: Path) -> AsyncIterator[Site]:
    await make_segments(settings, [("n", 1), ("n", 2), ("m", 1)])
    settings = settings.model_copy(
        update={"seal_dir": tmp_path / "log", "seal_origin": ORIGIN, "seal_every_seconds": 0.2}
    )
    (tmp_path / "log").mkdir()
    async with log_lanes(settings, 2) as lanes:
        yield Site(settings, lanes, Signer.generate(ORIGIN), Folder(tmp_path / "log"))
