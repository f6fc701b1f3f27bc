"""The health endpoint of a process: liveness, readiness and metrics."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.runtime.server import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from starlette.requests import Request

    from service.runtime.settings import Settings

# Connections to the health endpoint.
CONNECTIONS = 64


def stopped_lanes(lanes: Iterable[tuple[str, bool]]) -> str | None:
    """Return the result of a readiness check: the stopped lanes of (name, is_stopped), or None."""
    names = sorted(name for name, is_stopped in lanes if is_stopped)
    return f"stopped: {', '.join(names)}; see `segments status`" if names else None


class Health:
    """The readiness checks of a process by name; each returns None or its fault."""

    def __init__(self) -> None:
        self._checks: dict[str, tuple[Callable[[], Awaitable[str | None]], bool]] = {}
        self._metrics_text = b""
        self._metrics_until = 0.0

    def add(
        self, name: str, check: Callable[[], Awaitable[str | None]], *, degrades: bool = False
    ) -> None:
        """Add a readiness check. degrades: a failure makes the process degraded, not unready."""
        self._checks[name] = (check, degrades)

    async def _ready(self, _request: Request) -> JSONResponse:
        faults: dict[str, str] = {}
        status = "ready"
        for name, (check, degrades) in self._checks.items():
            fault: str | None = "no answer within 2 s"
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    fault = await check()
            if fault:
                faults[name] = fault
                status = "degraded" if degrades and status != "not ready" else "not ready"
        return JSONResponse(
            {"status": status, "faults": faults}, 503 if status == "not ready" else 200
        )

    async def _live(self, _request: Request) -> JSONResponse:
        # The event loop responds, so it is not stuck. An unavailable dependency is no reason for a restart.
        return JSONResponse({"status": "live"})

    async def _metrics(self, _request: Request) -> Response:
        now = time.monotonic()
        if now >= self._metrics_until:
            # Rendered at most once per second, whatever the number of requests.
            self._metrics_text, self._metrics_until = generate_latest(REGISTRY), now + 1
        return Response(self._metrics_text, media_type=CONTENT_TYPE_LATEST)

    def routes(self) -> list[Route]:
        """Return the routes /health/live, /health/ready and /metrics."""
        return [
            Route("/health/live", self._live),
            Route("/health/ready", self._ready),
            Route("/metrics", self._metrics),
        ]


async def _problem(_request: Request, error: Exception) -> Response:
    """Answer what is not there as a problem (RFC 9457), as the API does."""
    assert isinstance(error, HTTPException)  # noqa: S101 - whose handler this is
    there = error.status_code != HTTPStatus.NOT_FOUND
    reason = "method_not_allowed" if there else "not_found"
    detail = "GET /health/live, /health/ready and /metrics are all that there is"
    body = {
        "type": f"urn:segments:problem:{reason}", "title": HTTPStatus(error.status_code).phrase,
        "status": error.status_code, "detail": detail, "reason": reason,
    }  # fmt: skip
    return JSONResponse(
        body, error.status_code, error.headers, media_type="application/problem+json"
    )


@asynccontextmanager
async def serve_health(settings: Settings, health: Health) -> AsyncIterator[None]:
    """Serve the health endpoint on HTTP_HOST:HEALTH_PORT while the block runs; port 0: none.

    Raises: AddressError if the address is not available.
    """
    if settings.health_port == 0:
        yield
        return
    app = Starlette(routes=health.routes(), exception_handlers={HTTPException: _problem})
    async with serving(
        app, settings.http_host, settings.health_port,
        seconds=settings.http_timeout_seconds, connections=CONNECTIONS,
    ):  # fmt: skip
        yield
