"""A command's trace from POST to the views, told to a collector that speaks OTLP over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from service.registry.api_keys import Scope, create_key
from stack.ports import free_port
from tests.http.client import command_body
from tests.support.database import connected, rows
from tests.support.posting import post_until_sent
from tests.support.roles import Process, processes
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """Receives spans. spans: by trace id, name → (span id, parent's id)."""

    def __init__(self) -> None:
        self.spans: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
        self.url = ""

    def take(self, body: bytes) -> None:
        request: Any = ExportTraceServiceRequest()
        request.ParseFromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    found = (span.span_id.hex(), span.parent_span_id.hex())
                    self.spans[span.trace_id.hex()][span.name] = found


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_trace_goes_from_post_through_kafka_to_the_append_and_the_fold(
    ready: Settings,
) -> None:
    async with connected(ready) as connection:
        _, key = await create_key(connection, network_id="n", scopes={Scope.PUBLISH})
    with collecting() as collector:
        traced = ready.model_copy(update={"otlp_endpoint": collector.url, "http_port": free_port()})
        with processes(traced, "api", "ingest", "project") as running:
            await running[0].wait_for_output("serving")
            await post(traced, running[0], key)
            await holds(lambda: len(collector.spans[TRACE]) == 3)
            for process in running:
                code, output = await asyncio.to_thread(process.stop)
                assert code == 0, output
        spans = collector.spans[TRACE]
    received = spans["POST /networks/{network_id}/segments"]
    assert received[1] == PARENT
    assert spans["append"][1] == received[0]
    assert spans["fold"][1] == spans["append"][0]
    assert await rows(ready, "SELECT * FROM projections.trace") == []


async def post(settings: Settings, api: Process, key: str) -> None:
    assert api.running
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        response = await post_until_sent(
            client,
            f"http://127.0.0.1:{settings.http_port}/networks/n/segments",
            content=json.dumps(command_body()),
            headers={"Authorization": f"Bearer {key}", "traceparent": f"00-{TRACE}-{PARENT}-01"},
        )
    assert response.status_code == 201, response.text


async def test_without_an_endpoint_a_traceparent_decides_nothing_and_leaves_nothing(
    ready: Settings,
) -> None:
    async with connected(ready) as connection:
        _, key = await create_key(connection, network_id="n", scopes={Scope.PUBLISH})
    plain = ready.model_copy(update={"http_port": free_port()})
    with processes(plain, "api", "ingest") as running:
        await running[0].wait_for_output("serving")
        await post(plain, running[0], key)
        await holds(lambda: logged(ready))
    assert await rows(ready, "SELECT * FROM projections.trace") == []


async def logged(settings: Settings) -> bool:
    return len(await rows(settings, "SELECT 1 FROM segments.event")) == 1
