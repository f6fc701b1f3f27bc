"""Checks that a command's segment exists before `send` publishes it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from segments.cli.command import Failure
from segments.cli.database import connected
from service.registry import segments as registry
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.errors import SegmentsError, UnknownSegmentError

if TYPE_CHECKING:
    from schemas.command import Command
    from service.runtime.settings import Settings

ROLE = "segments_operate"
LOOK_SECONDS = 2


async def check_segment(settings: Settings, command: Command) -> None:
    """Refuse a command whose segment does not exist or is archived. If Postgres does not respond, ingest will decide.

    Raises: Failure. A command with a time for an archived segment passes, because it may be a retry.
    """
    try:
        async with asyncio.timeout(LOOK_SECONDS), connected(settings, ROLE) as connection:
            segment = await registry.get(connection, command.network_id, command.segment_id)
    except UnknownSegmentError as error:
        raise Failure(
            f"There is no segment {command.segment_id} in network {command.network_id}; nothing was published."
            f" `segments segment list --network {command.network_id}` lists the segments."
        ) from error
    except (*INFRASTRUCTURE, SegmentsError):
        return
    if segment.archived_at is not None and command.status_change_timestamp is None:
        raise Failure(
            f"Segment {command.segment_id} of network {command.network_id} is archived; nothing was published."
        )
