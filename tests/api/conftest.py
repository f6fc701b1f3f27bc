"""An API process in the test's own loop, on a port of its own, and clients with keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.client import Api, api_running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.settings import Settings


@pytest.fixture
async def api(ready: Settings) -> AsyncIterator[Api]:
    """The API on settings with segment 1 of network n; nothing reads Kafka."""
    async with api_running(ready) as running:
        yield running
