"""The dashboard without a browser: requests with a session, and the form's token."""

from __future__ import annotations

import html
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from segments.dashboard.sessions import COOKIE, csrf_token
from tests.dashboard.person import NETWORK
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.registry.api_keys import Scope
    from tests.http.client import Api


def next_page(text: str) -> str:
    """Return the path, below the network's, of the page that a page links as the next; empty at the end."""
    found = re.search(rf'rel="next" href="{NETWORK}/([^"]+)"', text)
    return html.unescape(found[1]) if found else ""


class Visitor:
    """A client that keeps its cookies, as a browser does."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    @property
    def token(self) -> str:
        return self.client.cookies[COOKIE]

    async def sign_in(self, key: str, **more: str) -> httpx.Response:
        return await self.client.post("/admin/sign-in", data={"key": key} | more)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(f"{NETWORK}/{path}", **options)

    async def post(
        self, path: str, *, headers: dict[str, str] | None = None, **fields: str
    ) -> httpx.Response:
        form = {"csrf": csrf_token(self.token)} | fields
        return await self.client.post(f"{NETWORK}/{path}", data=form, headers=headers)


@asynccontextmanager
async def visiting(api: Api, *scopes: Scope, network: str = "n") -> AsyncIterator[Visitor]:
    """A visitor who is signed in by a key of a network; of every scope unless some are named."""
    async with httpx.AsyncClient(base_url=api.url, timeout=PATIENCE) as client:
        visitor = Visitor(client)
        assert (await visitor.sign_in(await api.key(network, *scopes))).status_code == 303
        yield visitor
