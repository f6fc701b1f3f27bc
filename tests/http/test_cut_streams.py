"""A response that is cut off after its start: the client notices, and the log has one line."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from projections.http import members, users
from projections.queries import members as reading
from service.http.kit.problems import unavailable
from tests.http.client import api_running
from tests.http.reading import MEMBERS
from tests.http.test_streams import NDJSON, fill

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack
CUT = "a response was cut off"


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Give what was logged as a warning or worse."""
    levels = [record for record in caplog.records if record.levelno >= logging.WARNING]
    return [
        record.msg if isinstance(record.msg, dict) else {"event": record.getMessage()}
        for record in levels
    ]


async def test_a_stream_whose_next_piece_is_refused(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(settings, 3000)
    read, pages = reading.read_page, 0

    async def busy(*arguments: Any) -> Any:
        nonlocal pages
        pages += 1
        if pages == 2:
            raise unavailable("busy", "too many")
        return await read(*arguments)

    monkeypatch.setattr(members, "read_page", busy)
    async with api_running(settings) as api:
        with pytest.raises(httpx.RemoteProtocolError):
            await api.call("GET", MEMBERS, headers={"Accept": NDJSON})
    (line,) = logged(caplog)
    assert (line["event"], line["path"]) == (CUT, MEMBERS)
    assert "exception" not in line


async def test_an_error_before_the_response_is_500_and_logged_once_with_its_frames(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        raise KeyError("x")

    monkeypatch.setattr(users, "read_sizes", broken)
    assert (await api.call("GET", "/networks/n/sizes")).status_code == 500
    (line,) = logged(caplog)
    assert (line["event"], "KeyError" in line["exception"]) == ("a request failed", True)
