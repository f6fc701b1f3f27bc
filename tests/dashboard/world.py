"""Segments and users to look at: empty and full, long names, right-to-left and hostile texts, every kind of change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.registry import segments as registry
from tests.support.database import connected, folded
from tests.support.kafka import NewRecord, publish

if TYPE_CHECKING:
    from service.runtime.settings import Settings

DAY = 86_400
LONG = "Bought three or more times within ninety days and returned nothing " + "x" * 100
RIGHT_TO_LEFT = "عملاء مميزون"
HOSTILE = "<img src=x onerror=alert(1)>"
NAMES = (LONG, RIGHT_TO_LEFT, HOSTILE)


async def furnish(settings: Settings, today: int, names: tuple[str, ...] = NAMES) -> None:
    """Make segments 2 to 5 beside segment 1, and users of segment 1 in the 60 days before `today`, Unix seconds."""
    async with connected(settings) as connection:
        await registry.edit(
            connection, network_id="n", segment_id=1, name="Loyal customers",
            description="Came back at least twice", actor="ann@example.com",
        )  # fmt: skip
        for name in names:
            await registry.create(
                connection,
                network_id="n",
                name=name,
                description=f"About {name}",
                is_visible=name != names[0],
            )
        await registry.create(connection, network_id="n", name="Nobody yet")
        await registry.set_archived(connection, network_id="n", segment_id=4, archived=True)
    records = [
        NewRecord(
            user=f"customer-{nth:03}@example.com", network_id="n", segment_id=1, user_status="enter",
            status_change_timestamp=today - (60 - nth % 55) * DAY - nth, reference_id=f"rule-7:{nth}",
        )
        for nth in range(120)
    ] + [
        NewRecord(
            user=f"customer-{nth:03}@example.com", network_id="n", segment_id=1, user_status="leave",
            status_change_timestamp=today - (20 - nth % 7) * DAY,
        )
        for nth in range(0, 60, 3)
    ]  # fmt: skip
    for segment_id, user_status, days, more in (
        (1, "enter", 50, {}),
        (1, "block", 40, {"description": HOSTILE, "reference_id": HOSTILE}),
        (1, "enter", 45, {"description": RIGHT_TO_LEFT}),
        (1, "reset", 20, {"description": "Called us\nand was right"}),
        (1, "enter", 10, {}),
        (1, "add", 5, {"expires_at": today + 30 * DAY, "description": "Pinned for the campaign"}),
        (3, "enter", 30, {}),
        (3, "leave", 12, {}),
        (2, "block", 3, {"reference_id": "ticket-17"}),
    ):
        command: dict[str, Any] = {
            "user": "jo@example.com",
            "network_id": "n",
            "segment_id": segment_id,
        }
        command |= {
            "user_status": user_status,
            "status_change_timestamp": today - days * DAY,
        } | more
        records.append(NewRecord(**command))
    await publish(settings, records)
    await folded(settings)
