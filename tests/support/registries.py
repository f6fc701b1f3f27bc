"""Creates the registry of the histories in a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.registry import segments as registry
from tests import histories
from tests.support.database import connected

if TYPE_CHECKING:
    from service.runtime.settings import Settings


async def make_registry(
    settings: Settings, networks: int, segments: int
) -> dict[tuple[str, int], bool]:
    """Create the histories' segments; return (network_id, segment_id) → archived."""
    wanted = dict(histories.registry(networks, segments))
    async with connected(settings) as connection:
        for (network_id, segment_id), archived in wanted.items():
            await registry.create(
                connection, network_id=network_id, segment_id=segment_id, name=f"s{segment_id}"
            )
            if archived:
                await registry.set_archived(
                    connection, network_id=network_id, segment_id=segment_id, archived=True
                )
    return wanted
