"""A browser, the service in the test's loop, and people who are signed in."""

from __future__ import annotations

import os
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import async_playwright

from tests.dashboard.person import Person
from tests.http.client import Api, api_running
from tests.support.roles import service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from playwright.async_api import Browser

    from service.runtime.settings import Settings

_NAMES = ("chromium", "google-chrome")


@pytest.fixture
async def idle_api(ready: Settings) -> AsyncIterator[Api]:
    """The API on segment 1 of network n; nothing reads Kafka."""
    async with api_running(ready) as running:
        yield running


@pytest.fixture
async def api(ready: Settings) -> AsyncIterator[Api]:
    """The API, ingest and projections on segment 1 of network n."""
    async with api_running(ready) as running, service(ready):
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium. Without one a test is skipped, in CI it fails."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None and not os.environ.get("CI"):
        pytest.skip("no Chromium: apt-get install chromium")
    assert program is not None, "CI installs a Chromium: see .ci/run"
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program)
        yield started
        await started.close()


@pytest.fixture
def sign_in(api: Api, browser: Browser) -> Callable[..., Any]:
    """Return a context in which a person with a key of some scopes is signed in. options: of the browser's context."""

    @asynccontextmanager
    async def signed_in(
        *scopes: Any, name: str = "ann@example.com", **options: Any
    ) -> AsyncIterator[Person]:
        context = await browser.new_context(base_url=api.url, timezone_id="UTC", **options)
        try:
            person = Person(await context.new_page())
            await person.sign_in(await api.key("n", *scopes, name=name))
            yield person
        finally:
            await context.close()

    return signed_in
