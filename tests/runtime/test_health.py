"""The health endpoint of a process without an API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from service.runtime.health import Health, serve_health
from stack.ports import free_port
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_what_is_not_there_is_a_problem_as_it_is_over_the_api(settings: Settings) -> None:
    port = free_port()
    given = settings.model_copy(update={"health_port": port})
    url = f"http://127.0.0.1:{port}"
    async with (
        serve_health(given, Health()),
        httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client,
    ):
        for method, path, status, reason in (
            ("GET", "/nothing", 404, "not_found"),
            ("POST", "/health/live", 405, "method_not_allowed"),
        ):
            response = await client.request(method, path)
            problem = response.json()
            assert response.status_code == problem["status"] == status
            assert response.headers["content-type"] == "application/problem+json"
            assert problem["reason"] == reason
            assert "/health/ready" in problem["detail"]
