"""Assembles the HTTP API: the routes of service.http, projections.http and the dashboard, and probes."""

from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

import msgspec
from fastapi_offline import FastAPIOffline
from starlette.responses import Response
from starlette.routing import Route

from projections.http.outcomes import Outcomes
from projections.http.queued import Queued
from projections.http.queued_search import QueuedSearch
from projections.http.results import ResultReader
from projections.http.routes import reading_routes
from projections.queries.results import read_fronts
from segments.dashboard.app import dashboard_routes
from segments.dashboard.sessions import Sessions
from segments.dashboard.visit import Services
from segments.http_errors import handle_errors
from segments.openapi import openapi
from service.http import registry_routes
from service.http.erasure_routes import RATE as ERASURE_RATE
from service.http.erasure_routes import erasure_routes
from service.http.kit.access_log import AccessLog
from service.http.kit.auth import Access, RegistryRate
from service.http.kit.database import SharedDatabase
from service.http.kit.in_flight import InFlight
from service.http.kit.key_cache import ROLE, KeyCache
from service.http.kit.middleware import RequestMiddleware
from service.http.publishing.bare_route import PublishingRoute
from service.http.publishing.publisher import Publisher
from service.http.publishing.registry_cache import RegistryCache
from service.http.publishing.routes import Publishing
from service.http.registry_routes import admin_routes
from service.operations.api_retries import Retries
from service.operations.lanes import ROLE as OPERATE
from service.postgres.database import open_database, set_up_fault
from service.postgres.incarnation import Incarnation
from service.registry.command_topics import rules_version
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.health import Health, stopped_lanes
from service.runtime.logs import get_logger
from service.runtime.server import serving
from service.seal import role as seal_role
from service.seal.routes import log_routes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import ASGIApp, Scope

    from service.postgres.database import Database
    from service.runtime.settings import Settings

log = get_logger("api")
# Connections for reads, shared among networks; for keys, registry and readiness; for changes of the registry; for
# the sealed log; and for retries and operators.
READING_CONNECTIONS = 8
OWN_CONNECTIONS = 3
REGISTRY_CONNECTIONS = 2
SEAL_CONNECTIONS = 2
OPERATE_CONNECTIONS = 2
# The time limit of every query of the api, because API keys must be confirmed within 10 s.
LONGEST_SECONDS = 10.0
# New objects per garbage collection; a dozen requests already create Python's default of 700.
COLLECT_AFTER = 50_000


class Parts:
    """The parts of an api process; `run` runs them."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        reading: Database,
        changing: Database,
        sealed: Database,
        operating: Database,
    ) -> None:
        """Their roles are segments_api (database, reading), _registry, _seal and _operate.

        Keys and the registry, which every request needs, use `database`, so that they never wait for `reading`.
        """
        self.settings = settings
        self.database = database
        self.shared = SharedDatabase(reading)
        self.changing = SharedDatabase(changing)
        self.sealed = SharedDatabase(sealed)
        self.operating = SharedDatabase(operating)
        incarnation = Incarnation()
        self.keys = KeyCache(database)
        self.segments = RegistryCache(database, incarnation)
        incarnation.on_another(self.keys.forget)
        incarnation.on_another(self.segments.forget)
        self.sessions = Sessions(database)
        incarnation.on_another(self.sessions.forget)
        self.publisher = Publisher(settings)
        self.in_flight = InFlight(settings)
        self.access = Access(self.keys, settings)
        self.registry_rate = RegistryRate(settings.http_registry_rate_limit)
        self.erasure_rate = RegistryRate(ERASURE_RATE, "a network may erase")
        self.accesses = AccessLog(database)
        self.outcomes = Outcomes(database, self.shared, self.publisher.ask_topics)
        self.queued = Queued(settings)
        self.queued_search = QueuedSearch(settings)
        self.retries = Retries(self.operating)
        self.results = ResultReader(
            self.shared, self.queued, self.queued_search, self.publisher.topics
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Keep keys, registry and producer fresh until `stop` is set."""
        async with asyncio.TaskGroup() as tasks:
            for part in (
                self.keys, self.segments, self.publisher, self.outcomes, self.queued, self.queued_search,
                self.accesses,
            ):  # fmt: skip
                tasks.create_task(part.run(stop), name=type(part).__name__)

    def health(self) -> Health:
        """Return the readiness checks: the broker must respond. Without Postgres commands are still accepted."""
        health = Health()
        health.add("kafka", self._kafka)
        health.add("postgres", self._postgres, degrades=True)
        health.add("lanes", self._lanes, degrades=True)
        return health

    async def _kafka(self) -> str | None:
        return None if await self.publisher.answers() else "Kafka does not respond"

    async def _postgres(self) -> str | None:
        try:
            async with self.database.hurried(1.5) as connection:
                await rules_version(connection)
        except Exception as error:  # noqa: BLE001 - any error means that Postgres is unusable
            return str(set_up_fault(error) or f"Postgres is unavailable: {type(error).__name__}")
        return None

    async def _lanes(self) -> str | None:
        """Name the stopped lanes; commands are accepted nevertheless."""
        with suppress(*INFRASTRUCTURE):
            async with self.database.hurried(1.5) as connection:
                fronts = await read_fronts(connection, self.settings)
            there = await self.publisher.topics(list(fronts))
            return stopped_lanes(
                (f"{topic}-{number}", front.is_another(there[topic]))
                for topic, lanes in fronts.items()
                for number, front in lanes.items()
            )
        return None


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve the HTTP API on HTTP_HOST:HTTP_PORT until `stop` is set; then finish the requests in progress."""
    async with AsyncExitStack() as stack:
        databases = [
            await stack.enter_async_context(open_database(settings, role, size, LONGEST_SECONDS))
            for role, size in (
                (ROLE, OWN_CONNECTIONS),
                (ROLE, READING_CONNECTIONS),
                (registry_routes.ROLE, REGISTRY_CONNECTIONS),
                (seal_role.ROLE, SEAL_CONNECTIONS),
                (OPERATE, OPERATE_CONNECTIONS),
            )
        ]
        parts = Parts(settings, *databases)
        ended = asyncio.Event()  # the parts run until the last response
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        tasks.create_task(parts.run(ended))
        stack.callback(ended.set)
        port = await stack.enter_async_context(
            serving(
                make_app(parts), settings.http_host, settings.http_port,
                seconds=settings.http_timeout_seconds, connections=settings.http_connections,
            )
        )  # fmt: skip
        # The objects of the start are permanent, and those of hundreds of requests in progress are not garbage.
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER)
        log.info("serving", host=settings.http_host, port=port)
        await stop.wait()


def make_app(parts: Parts) -> ASGIApp:
    """Build the app of a process: the app of all routes, behind the middleware."""
    api = make_api(parts)
    posts = [route for route in api.routes if isinstance(route, PublishingRoute)]
    is_traced = parts.settings.otlp_endpoint is not None

    def find_post(scope: Scope) -> ASGIApp | None:
        """Return the app for a request that publishes: its route, called without FastAPI unless FastAPI traces it."""
        if scope["method"] == "POST":
            for route in posts:
                if match := route.path_regex.match(scope["path"]):
                    scope["path_params"] = match.groupdict()
                    scope["route"] = route
                    return api if is_traced else route.app
        return None

    return RequestMiddleware(
        api, parts.access, parts.in_flight, find_post, parts.sessions.network_of
    )


def make_api(parts: Parts) -> FastAPI:
    """Build the FastAPI app of all routes, with their OpenAPI document."""
    # FastAPIOffline includes the scripts of /docs, for installations without internet access. ReDoc would load a remote
    # image. A trailing slash is refused with a message, because clients may not repeat the body after a redirect.
    api = FastAPIOffline(
        title="Segments", version="1", redoc_url=None, redirect_slashes=False,
        telemetry={
            "tracing": parts.settings.otlp_endpoint is not None, "metrics": False, "logs": False,
        },
    )  # fmt: skip
    api.openapi = lambda: openapi(api)  # type: ignore[method-assign]  # as FastAPI's documentation has it
    handle_errors(api)
    publishing = Publishing(
        parts.access, parts.segments, parts.publisher, parts.outcomes, parts.settings
    )
    # The publishing routes are here for methods, documents and traces; make_app calls them directly otherwise.
    api.router.routes[:0] = [*publishing.routes(), Route("/openapi.json", _document(api))]
    for routes, rate in (
        (admin_routes, parts.registry_rate),
        (erasure_routes, parts.erasure_rate),
    ):
        api.include_router(routes(parts.access, rate, parts.shared, parts.changing))
    api.include_router(log_routes(parts.access, parts.sealed, parts.accesses))
    api.include_router(
        reading_routes(
            parts.access, parts.shared, parts.changing, parts.operating, parts.sealed, parts.results,
            parts.retries, parts.accesses,
        )
    )  # fmt: skip
    api.router.routes.extend(parts.health().routes())
    if parts.settings.admin == "on":
        services = Services(
            parts.settings, parts.sessions, parts.access, parts.registry_rate, parts.erasure_rate, parts.shared,
            parts.changing, parts.operating, parts.sealed, publishing, parts.results, parts.accesses, parts.retries,
        )  # fmt: skip
        api.router.routes.extend(dashboard_routes(services, parts.keys))
    return api


def _document(app: FastAPI) -> Callable[[Request], Awaitable[Response]]:
    """Return a handler that caches the encoded document, because FastAPI would render it for every request."""
    encoded: list[bytes] = []

    async def document(_request: Request) -> Response:
        if not encoded:
            encoded.append(msgspec.json.encode(app.openapi()))
        return Response(encoded[0], media_type="application/json")

    return document
