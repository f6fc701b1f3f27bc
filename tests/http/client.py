"""Starting an API for a test, and speaking to it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from segments.roles import api as api_role
from service.registry.api_keys import Scope, create_key
from stack.ports import free_port
from tests.support.database import connected
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings

EVERYTHING = frozenset(Scope)


@dataclass
class Api:
    """A running API. client: without a key."""

    settings: Settings
    url: str
    client: httpx.AsyncClient
    keys: dict[tuple[str, frozenset[Scope]], str] = field(default_factory=dict)

    async def key(self, network: str = "n", *scopes: Scope, name: str = "test key") -> str:
        """Give a key of a network; of every scope unless some are named."""
        wanted = (network, frozenset(scopes) or EVERYTHING)
        if wanted not in self.keys:
            async with connected(self.settings) as connection:
                _, self.keys[wanted] = await create_key(
                    connection, network_id=network, scopes=wanted[1], name=name
                )
        return self.keys[wanted]

    async def call(
        self, method: str, path: str, *scopes: Scope, network: str = "n", **options: Any
    ) -> httpx.Response:
        """Call with a key of the network; of every scope unless some are named."""
        headers = {"Authorization": f"Bearer {await self.key(network, *scopes)}"}
        headers |= options.pop("headers", {})
        return await self.client.request(method, path, headers=headers, **options)

    async def post(self, command: Any, network: str = "n", **options: Any) -> httpx.Response:
        """POST one command: a dict as JSON, or bytes as they are."""
        how = {"content": command} if isinstance(command, bytes) else {"json": command}
        return await self.call(
            "POST", f"/networks/{network}/segments", network=network, **how, **options
        )


def command_body(**fields: Any) -> dict[str, Any]:
    """Give a command of user u and segment 1; `...` leaves a field out."""
    given = {"user": "u", "segment_id": 1, "user_status": "add"} | fields
    return {name: value for name, value in given.items() if value is not ...}


@asynccontextmanager
async def api_running(settings: Settings, *, wait: bool = True) -> AsyncIterator[Api]:
    """Run the API in this loop while the block runs. wait: until it is ready."""
    port = free_port()
    stop = asyncio.Event()
    given = settings.model_copy(update={"http_port": port})
    role = asyncio.ensure_future(api_role(given, stop))
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:

        async def is_up(path: str) -> bool:
            if role.done():
                role.result()
            try:
                return (await client.get(path)).status_code == httpx.codes.OK
            except httpx.TransportError:
                return False

        try:
            await holds(lambda: is_up("/health/ready" if wait else "/health/live"))
            yield Api(given, url, client)
        finally:
            stop.set()
            await role
