"""What a person does and sees on the dashboard."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.async_api import Page

expect.set_options(timeout=PATIENCE * 1000)
NETWORK = "/admin/networks/n"


class Person:
    """Somebody in front of one page. faults: what the page wrote to the console, and scripts that failed."""

    def __init__(self, page: Page) -> None:
        page.set_default_timeout(PATIENCE * 1000)
        self.page = page
        self.faults: list[str] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def _note(self, kind: str, text: str) -> None:
        if kind == "error":
            self.faults.append(text)

    async def sign_in(self, key: str) -> None:
        """Sign in by an API key."""
        await self.page.goto("/admin")
        await self.page.get_by_label("API key").fill(key)
        await self.page.get_by_role("button", name="Sign in").click()

    async def go(self, path: str) -> None:
        """Open a page of network n."""
        await self.page.goto(f"{NETWORK}/{path}")

    async def choose(self, status: str, reason: str = "") -> None:
        """Preview a change of the user whose page is open."""
        await self.page.get_by_role("radio", name=re.compile(f"^{status}")).check()
        await self.page.get_by_label("Reason").fill(reason)
        await self.page.get_by_role("button", name="Preview").click()

    async def sees(self, text: str) -> None:
        """Wait until the page shows a text."""
        await expect(self.page.locator("body")).to_contain_text(text)

    async def violations(self) -> list[Any]:
        """Return what axe-core finds wrong with the page."""
        results = await Axe().run(self.page)
        return [
            (found["id"], node["target"], node.get("failureSummary"))
            for found in results.response["violations"]
            for node in found["nodes"]
        ]

    async def open_details(self) -> None:
        """Open everything that can be opened."""
        await self.page.evaluate(
            "for (const one of document.querySelectorAll('details')) one.open = true"
        )

    async def is_scrolled_sideways(self) -> bool:
        """Whether the page is wider than its window."""
        wide: bool = await self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return wide
