"""`segments run` as a process on given URLs: health, metrics, a clean end."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from projections.fold.worker import project
from service.ingest.role import ingest
from stack.ports import free_port
from tests.support.database import folded, value
from tests.support.kafka import NewRecord, publish
from tests.support.roles import Process, service
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
# Dashboards rely on these, with their labels.
METRICS = {
    "segments_records_total": {"topic", "partition", "outcome", "reason"},
    "segments_ingest_lag_records": set(),
    "segments_projection_lag_records": {"projection"},
    "segments_complete_until_seconds": set(),
    "segments_lane_stopped": set(),
    "segments_batch_seconds": None,
    "segments_refolds_total": set(),
    "segments_miskeyed_total": set(),
    "segments_lane_lag_records": {"topic", "partition"},
    "segments_http_request_seconds": None,
    "segments_http_in_flight": set(),
    "segments_publish_seconds": None,
    "segments_connection_wait_seconds": None,
    "segments_connections_in_use": {"role"},
    "segments_connections_limit": {"role"},
    "segments_expiries_overdue": set(),
}
FOLDED = 'segments_projection_lag_records{projection="membership"} 0.0'


async def get(port: int, path: str) -> tuple[int, str]:
    return await asyncio.to_thread(_get, port, path)


def _get(port: int, path: str) -> tuple[int, str]:
    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_args: object) -> None:
            return None

    opener = urllib.request.build_opener(NoRedirect)
    try:
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


async def answers(port: int, path: str, status: int, seconds: float = PATIENCE) -> str:
    deadline = time.monotonic() + seconds
    while True:
        code, text = await get(port, path)
        if code == status:
            return text
        assert time.monotonic() < deadline, (code, text)
        await asyncio.sleep(0.05)


async def test_run_serves_health_and_the_metrics_of_the_contract_and_ends_with_0_on_sigterm(
    ready: Settings,
) -> None:
    port, http_port = free_port(), free_port()
    begun = time.monotonic()
    given = {"health_port": port, "http_port": http_port, "log_format": "json"}
    process = Process(ready.model_copy(update=given), "run")
    try:
        assert json.loads(await answers(port, "/health/live", 200)) == {"status": "live"}
        assert json.loads(await answers(port, "/health/ready", 200)) == {
            "status": "ready",
            "faults": {},
        }
        await answers(http_port, "/health/ready", 200)
        starting = time.monotonic() - begun
        await publish(
            ready,
            [NewRecord(user="u"), NewRecord(user="v", key=b"another key"), NewRecord(b"not JSON")],
        )
        await folded(ready)
        await publish(ready, [NewRecord(user="u", status_change_timestamp=1_700_000_000)])
        await folded(ready)
        text = await answers(port, "/metrics", 200)
        while (
            "segments_complete_until_seconds" not in text
            or "segments_expiries_overdue" not in text
            or "segments_refolds_total 0.0" in text
            or FOLDED not in text
        ):
            text = await answers(port, "/metrics", 200)
    finally:
        begun = time.monotonic()
        code, output = process.stop()
    assert (code, "Traceback" in output) == (0, False), output
    assert time.monotonic() - begun < 30 + starting  # what Kubernetes grants
    names = {re.sub("_(bucket|sum|count)$", "", line.split("{")[0].split()[0])
             for line in text.splitlines() if line.startswith("segments_")}  # fmt: skip
    assert names == set(METRICS)
    for name, labels in METRICS.items():
        for found in re.findall(rf"^{name}(?:{{(.*)}})? ", text, re.MULTILINE):
            assert {pair.split("=")[0] for pair in found.split(",") if pair} == labels, name
    assert re.search(
        r'segments_records_total\{.*outcome="rejected".*reason="not_json".*\} 1\.0', text
    )
    assert re.search(r"^segments_miskeyed_total 1\.0", text, re.MULTILINE)
    assert await value(ready, "SELECT count(*) FROM segments.event") == 3


@pytest.mark.parametrize(
    ("role", "measured"),
    [
        ("api", {"http_request_seconds_count", "http_in_flight", "publish_seconds_count"}),
        ("ingest", {
            "records_total", "ingest_lag_records", "lane_lag_records", "lane_stopped", "batch_seconds_count",
            "miskeyed_total",
        }),
        ("project", {
            "projection_lag_records", "complete_until_seconds", "batch_seconds_count", "refolds_total",
            "expiries_overdue",
        }),
    ],
)  # fmt: skip
async def test_a_process_tells_only_what_it_measures(
    ready: Settings, role: str, measured: set[str]
) -> None:
    port, http_port = free_port(), free_port()
    rest = [one for one in (ingest, project) if one.__name__ != role]
    process = Process(ready.model_copy(update={"health_port": port, "http_port": http_port}), role)
    try:
        await answers(port, "/health/ready", 200)
        if role == "api":
            await answers(http_port, "/health/ready", 200)
        names: set[str] = set()
        while role == "project" and "projection_lag_records" not in names:
            names = _names(await answers(port, "/metrics", 200))
        # Of a log without lanes it is not known, and 0 would be 1970.
        assert "complete_until_seconds" not in names
        await publish(ready, [NewRecord(user="u", lane=lane) for lane in range(4)])
        async with service(ready, *rest):
            await folded(ready)
            names = _names(await answers(port, "/metrics", 200))
            while not measured <= names:
                names = _names(await answers(port, "/metrics", 200))
    finally:
        process.stop()
    of_pools = {"connection_wait_seconds_count", "connections_in_use", "connections_limit"}
    assert {name for name in names if not name.endswith(("_bucket", "_sum"))} == measured | of_pools


def _names(text: str) -> set[str]:
    return set(re.findall(r"^segments_([a-z_]+)", text, re.MULTILINE))


async def test_a_taken_health_port_ends_with_1_and_says_so(ready: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = Process(
            ready.model_copy(update={"health_port": taken.getsockname()[1]}), "project"
        )
        deadline = time.monotonic() + PATIENCE
        while process.running and time.monotonic() < deadline:  # noqa: ASYNC110 - a process has no event
            await asyncio.sleep(0.05)
        ended = not process.running
        code, output = process.stop()
    assert ended
    assert code == 1, output
    assert "Address already in use" in output
    assert "Traceback" not in output
