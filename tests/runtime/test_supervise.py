"""Work goes on until a stop: what is away is told once and waited for, anything else ends it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka.errors import TopicAuthorizationFailedError
from structlog.testing import capture_logs

from service.runtime.errors import DatabaseAwayError
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

log = get_logger("test")


class Work:
    """Work that meets these one after the other: faults, and None where all is well; then it sets `stop`."""

    def __init__(self, *meets: BaseException | None) -> None:
        self.stop = asyncio.Event()
        self._meets = list(meets)

    async def __call__(self) -> int:
        met = self._meets.pop(0)
        if not self._meets:
            self.stop.set()
        if met is not None:
            raise met
        return len(self._meets)

    def rounds(self, supervisor: Supervisor) -> Callable[[], Awaitable[None]]:
        """Work that goes on by itself, and says after each round that all is well."""

        async def work() -> None:
            while not self.stop.is_set():
                await self()
                supervisor.succeeded()

        return work


def told(lines: list[MutableMapping[str, Any]]) -> list[tuple[str, str]]:
    return [(one["log_level"], one["event"]) for one in lines]


async def test_each_kind_of_fault_is_told_once_an_outage() -> None:
    work = Work(OSError(), OSError(), TimeoutError(), OSError(), None, OSError(), None)
    with capture_logs() as lines:
        await Supervisor(work.stop, log, "it waits").run(work, every=0)
    assert told(lines) == [("info", "it waits")] * 3
    assert lines[1]["error"] == "TimeoutError: "


async def test_an_outage_whose_end_is_told_begins_once() -> None:
    work = Work(OSError(), TimeoutError(), None, None, DatabaseAwayError(), None)
    supervisor = Supervisor(
        work.stop, log, "it waits", level="warning", logs_recovery=True, lane="commands-0"
    )
    with capture_logs() as lines:
        await supervisor.run(work.rounds(supervisor))
    assert told(lines) == [("warning", "it waits"), ("info", "recovered")] * 2
    assert {one["lane"] for one in lines} == {"commands-0"}


@pytest.mark.parametrize("logs_recovery", [True, False])
async def test_what_operators_must_mend_is_an_error_whatever_else_was_told(
    logs_recovery: bool,  # noqa: FBT001 - of the example
) -> None:
    denied = TopicAuthorizationFailedError("t")
    work = Work(OSError(), denied, denied, None)
    with capture_logs() as lines:
        await Supervisor(work.stop, log, "it waits", logs_recovery=logs_recovery).run(work, every=0)
    assert told(lines)[:2] == [("info", "it waits"), ("error", "it waits")]
    assert len([one for one in lines if one["event"] == "it waits"]) == 2


async def test_anything_else_ends_it() -> None:
    work = Work(OSError(), ValueError("a mistake of ours"), None)
    with pytest.raises(ValueError, match="a mistake"):
        await Supervisor(work.stop, log, "it waits").run(work, every=0)


async def test_work_that_is_to_succeed_once_is_tried_until_it_does() -> None:
    work = Work(OSError(), OSError(), None, None, None)
    assert await Supervisor(work.stop, log, "it waits").until_done(work) == 2


async def test_a_stop_ends_a_wait_at_once() -> None:
    work = Work(OSError())
    async with asyncio.timeout(30):
        await Supervisor(work.stop, log, "it waits").run(work, every=3600)
        assert await Supervisor(work.stop, log, "it waits").until_done(work) is None
