"""The Python client sends each command once, whatever happens on the way, and knows every field of the API."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import generate
import httpx2
import pytest
from segments_client import NotAllTakenError, ProblemError, Segments, models
from segments_client.models import Command

from tests.http.client import api_running
from tests.support.database import folded, rows
from tests.support.roles import service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from service.runtime.settings import Settings
    from tests.http.client import Api


class Between(httpx2.BaseTransport):
    """Sends requests to the API, and does something to the first response of a path."""

    def __init__(self, path: str, does: Callable[[httpx2.Response], httpx2.Response]) -> None:
        self._http = httpx2.HTTPTransport()
        self._path = path
        self._does = does
        self.sent: list[httpx2.Request] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        first = not self.sent and request.url.path.endswith(self._path)
        self.sent.append(request)
        response = self._http.handle_request(request)
        if first:
            response.read()
            return self._does(response)
        return response

    def close(self) -> None:
        self._http.close()


def lost(_response: httpx2.Response) -> httpx2.Response:
    raise httpx2.ReadError("the connection is broken")


def unacknowledged(response: httpx2.Response) -> httpx2.Response:
    """Say of each second item that the broker did not acknowledge it."""
    items = response.json()["items"]
    for place in range(1, len(items), 2):
        items[place] = {
            "type": "urn:segments:problem:broker", "title": "Service Unavailable", "status": 503, "detail": "late",
            "reason": "broker", "published": "unknown",
        }  # fmt: skip
    return httpx2.Response(207, json={"items": items})


@asynccontextmanager
async def client(api: Api, **options: Any) -> AsyncIterator[Segments]:
    with Segments(api.url, "n", await api.key(), **options) as segments:
        yield segments


def commands(count: int) -> list[Command]:
    return [Command(user=f"u{n}", segment_id=1, user_status="add") for n in range(count)]


async def users(api: Api) -> list[str]:
    """The user of each event, once everything is in the log."""
    async with service(api.settings):
        await folded(api.settings)
    found = await rows(api.settings, "SELECT user_id FROM reporting.event ORDER BY user_id")
    return [row["user_id"] for row in found]


@pytest.mark.stack
async def test_a_command_whose_response_was_lost_counts_once(ready: Settings) -> None:
    between = Between("/segments", lost)
    async with api_running(ready) as api, client(api, transport=between) as segments:
        queued = await asyncio.to_thread(segments.publish, commands(1)[0])
        assert queued.topic == f"{ready.topic_prefix}.commands"
        assert len(between.sent) == 2
        assert await users(api) == ["u0"]


@pytest.mark.stack
@pytest.mark.parametrize("does", [lost, unacknowledged])
async def test_each_command_of_a_batch_counts_once_if_responses_are_lost_or_say_unknown(
    ready: Settings, does: Callable[[httpx2.Response], httpx2.Response]
) -> None:
    between = Between("/batch", does)
    async with api_running(ready) as api, client(api, transport=between) as segments:
        batch = await asyncio.to_thread(segments.publish_many, commands(7))
        assert sorted(batch.queued) == list(range(7))
        assert len(between.sent) == (2 if does is lost else 1 + 3)
        assert await users(api) == [f"u{n}" for n in range(7)]


@pytest.mark.stack
async def test_a_batch_above_the_rate_limit_is_divided_and_waits_as_long_as_the_api_says(
    ready: Settings,
) -> None:
    limited = ready.model_copy(update={"http_rate_limit": "10/second"})
    async with api_running(limited) as api, client(api, attempts=100) as segments:
        batch = await asyncio.to_thread(segments.publish_many, commands(25))
        assert sorted(batch.queued) == list(range(25))
        assert await users(api) == sorted(f"u{n}" for n in range(25))


@pytest.mark.stack
async def test_what_the_api_refuses_is_told_by_number_and_the_others_are_taken(
    ready: Settings,
) -> None:
    async with api_running(ready) as api, client(api) as segments:
        wrong = Command(user="x", segment_id=9, user_status="add")
        batch = await asyncio.to_thread(segments.publish_many, [*commands(2), wrong, *commands(1)])
        assert sorted(batch.queued) == [0, 1, 3]
        assert {number: problem.status for number, problem in batch.refused.items()} == {2: 404}
        with pytest.raises(ProblemError, match="404 unknown_segment"):
            await asyncio.to_thread(segments.publish, wrong)


@pytest.mark.stack
async def test_what_could_not_be_sent_is_told_by_number(ready: Settings) -> None:
    async with api_running(ready) as api:
        with (
            Segments(api.url, "n", "no key", attempts=2) as segments,
            pytest.raises(NotAllTakenError) as told,
        ):
            await asyncio.to_thread(segments.publish_many, commands(3))
    assert told.value.left == [0, 1, 2]
    assert isinstance(told.value.__cause__, ProblemError)


@pytest.mark.stack
async def test_it_reads_pages_results_and_explanations(ready: Settings) -> None:
    async with api_running(ready) as api, client(api) as segments:
        batch = await asyncio.to_thread(segments.publish_many, commands(5))
        assert await users(api) == [f"u{n}" for n in range(5)]

        def read() -> None:
            members = [member.user_id for member in segments.members(1, limit="2")]
            assert sorted(members) == [f"u{n}" for n in range(5)]
            first = batch.queued[0]
            (result,) = segments.results(position=f"{first.topic}:{first.partition}:{first.offset}")
            assert result.outcome == "applied"
            assert len(segments.explain(1, "u0").events) == 1
            assert segments.member(1, "u0").state.is_member
            assert [one.segment_id for one in segments.user_segments("u0")] == [1]
            assert segments.sizes()[0].members == 5
            assert [one.segment_id for one in segments.segments()] == [1]

        await asyncio.to_thread(read)


def test_the_models_have_the_fields_of_the_openapi_document() -> None:
    schemas = generate.reduced()
    assert len(schemas) > 10
    for name, schema in schemas.items():
        if "properties" in schema:
            made = getattr(models, name).model_json_schema()
            assert made["properties"].keys() == schema["properties"].keys(), name
            assert set(made.get("required", ())) == set(schema.get("required", ())), name


def test_a_change_of_the_document_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    document = json.loads(generate.DOCUMENT.read_text("utf-8"))
    document["components"]["schemas"]["Member"]["properties"]["more"] = {"type": "string"}
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    monkeypatch.setattr(generate, "DOCUMENT", tmp_path / "openapi.json")
    with pytest.raises(AssertionError, match="Member"):
        test_the_models_have_the_fields_of_the_openapi_document()
