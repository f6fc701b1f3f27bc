"""Changes of the hostile network's own registry, without end."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING

from tests.siege.hostile.target import BAD, attacks
from tests.siege.hostile.wire import repeat, request

if TYPE_CHECKING:
    from tests.siege.hostile.target import Siege

PATH = f"/networks/{BAD}/admin/segments"
MOST = 3000
"""Segments made in one attack, should nothing stop it."""


@attacks(200, 409, 429, 503)
async def patches(siege: Siege) -> None:
    """Descriptions, names and visibility of segments of its own."""

    def make() -> bytes:
        what = siege.rng.choice(("description", "name"))
        body: dict[str, object] = {what: f"{what} {siege.rng.getrandbits(32)}"}
        if siege.rng.random() < 0.2:
            body = {"is_visible": siege.rng.random() < 0.5}
        path = f"{PATH}/{siege.rng.randrange(3, 6)}"
        return request("PATCH", path, json.dumps(body).encode(), siege.target.key)

    await repeat(siege, make, 4, pause=0.03)


@attacks(201, 409, 429, 503)
async def segments(siege: Siege) -> None:
    """As many segments as it can make."""
    numbers = itertools.count()

    def make() -> bytes:
        if next(numbers) > MOST:
            return request("GET", f"{PATH}/3", key=siege.target.key)
        name = {"name": f"s{siege.rng.getrandbits(48)}"}
        return request("POST", PATH, json.dumps(name).encode(), siege.target.key)

    await asyncio.sleep(0)
    await repeat(siege, make, 4, pause=0.01)
