"""Commands over HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    import httpx


async def post_until_sent(client: httpx.AsyncClient, url: str, **options: Any) -> httpx.Response:
    """Post a command, again while it is not published: on a busy machine the broker is late at first."""
    async with asyncio.timeout(PATIENCE):
        while True:
            response = await client.post(url, **options)
            if response.status_code != 503 or response.json()["published"] != "no":
                return response
            await asyncio.sleep(0.1)
