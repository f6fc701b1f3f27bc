"""What an operator sees: structured logs, metrics, and the health endpoint of a process."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.runtime.server import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from prometheus_client.registry import Collector
    from starlette.requests import Request

    from service.runtime.settings import Settings

disable_created_metrics()  # type: ignore[no-untyped-call]  # the names of the contract and no others
RECORDS = Counter(
    "segments_records",
    "Records by what became of them",
    ["topic", "partition", "outcome", "reason"],
)
# Those without labels would say 0 in a process that measures nothing of the kind: see `measures` and `tell`.
INGEST_LAG = Gauge(
    "segments_ingest_lag_records", "Records in Kafka that are not in the log", registry=None
)
PROJECTION_LAG = Gauge(
    "segments_projection_lag_records",
    "Records in the log that are not in the projection",
    ["projection"],
)
COMPLETE_UNTIL = Gauge(
    "segments_complete_until_seconds",
    "Unix time before which everything received is in every projection",
    registry=None,
)
LANE_STOPPED = Gauge("segments_lane_stopped", "Lanes that wait for an operator", registry=None)
BATCH_SECONDS = Histogram(
    "segments_batch_seconds",
    "Time to store or fold one batch",
    ["stage"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
REFOLDS = Counter("segments_refolds", "Keys folded again because an event came late", registry=None)
MISKEYED = Counter(
    "segments_miskeyed",
    "Records whose key is not network_id:user, so that order rests on time alone",
    registry=None,
)
UNBELIEVED = Counter(
    "segments_unbelieved",
    "Records whose signature is there and not believed, by the source that they claim",
    ["source"],
    registry=None,
)
# To the health endpoint.
CONNECTIONS = 64
_MEASURED: set[Collector] = set()


def measures(metric: Collector) -> None:
    """Have this process expose a metric from now on."""
    if metric not in _MEASURED:
        _MEASURED.add(metric)
        REGISTRY.register(metric)


def tell(gauge: Gauge, value: float) -> None:
    """Set a gauge, which is exposed from then on."""
    gauge.set(value)
    measures(gauge)


def set_up_logging(settings: Settings) -> None:
    """Write structured lines to stderr: JSON, or for people; other libraries' warnings among them."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger("segments").setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Give the logger of a module, `segments.<name>`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(f"segments.{name}")
    return logger


def stopped_lanes(lanes: Iterable[tuple[str, bool]]) -> str | None:
    """Say which lanes are stopped, of such with whether they are; None: none is. For a readiness check."""
    names = sorted(name for name, is_stopped in lanes if is_stopped)
    return f"stopped: {', '.join(names)}; see `segments status`" if names else None


class Health:
    """Whether a process can do its work: checks by name, each giving None or what is wrong."""

    def __init__(self) -> None:
        self._checks: dict[str, tuple[Callable[[], Awaitable[str | None]], bool]] = {}
        self._metrics_text = b""
        self._metrics_until = 0.0

    def add(
        self, name: str, check: Callable[[], Awaitable[str | None]], *, degrades: bool = False
    ) -> None:
        """Add a readiness check. degrades: the work can be done without it, though not all as well."""
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
        # The loop answers, so it is not stuck; a dependency that is away is no reason to be restarted.
        return JSONResponse({"status": "live"})

    async def _metrics(self, _request: Request) -> Response:
        now = time.monotonic()
        if now >= self._metrics_until:
            # Written at most once a second, however many ask.
            self._metrics_text, self._metrics_until = generate_latest(REGISTRY), now + 1
        return Response(self._metrics_text, media_type=CONTENT_TYPE_LATEST)

    def routes(self) -> list[Route]:
        """Give the routes /health/live, /health/ready and /metrics."""
        return [
            Route("/health/live", self._live),
            Route("/health/ready", self._ready),
            Route("/metrics", self._metrics),
        ]


@asynccontextmanager
async def serve_health(settings: Settings, health: Health) -> AsyncIterator[None]:
    """Serve the health endpoint on HTTP_HOST:HEALTH_PORT while the block runs; port 0: none.

    Raises: AddressError when nobody can listen there.
    """
    if settings.health_port == 0:
        yield
        return
    app = Starlette(routes=health.routes())
    async with serving(
        app, settings.http_host, settings.health_port,
        seconds=settings.http_timeout_seconds, connections=CONNECTIONS,
    ):  # fmt: skip
        yield
