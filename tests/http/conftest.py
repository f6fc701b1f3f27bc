"""An API process in the test's own loop, on a port of its own, and clients with keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from service.http.kit import key_cache
from service.http.publishing import options, publisher, registry_cache
from tests.http.client import Api, api_running
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings


@pytest.fixture(autouse=True)
def _at_leisure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker and a Postgres that a busy machine makes slow are not away: tests of the limits set their own."""
    monkeypatch.setattr(publisher, "BROKER_TICKS", 600)
    monkeypatch.setattr(publisher, "METADATA_SECONDS", 60.0)
    monkeypatch.setattr(publisher, "ASK_SECONDS", 60.0)
    monkeypatch.setattr(registry_cache, "LOOKUP_SECONDS", 8.0)
    monkeypatch.setattr(key_cache, "LOOKUP_SECONDS", 8.0)
    monkeypatch.setattr(options, "MAX_WAIT_SECONDS", 2 * PATIENCE)


@pytest.fixture
async def api(ready: Settings) -> AsyncIterator[Api]:
    """The API on settings with segment 1 of network n, and far from its rate limits; nothing reads Kafka."""
    often = ready.model_copy(update={"http_registry_rate_limit": "1000/second"})
    async with api_running(often) as running:
        yield running
