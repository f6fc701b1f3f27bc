"""aiokafka's words about brokers that are away: at every try one, on each connection. Ours are said once.

It goes on by itself from all that is demoted here. What it does not expect, and what it is refused (ACLs, logins,
certificates), stays as loud as it is.
"""

from __future__ import annotations

import logging
import ssl
import time
from typing import TYPE_CHECKING, Any

from aiokafka import errors

from service.kafka.clients import administering
from service.kafka.login import when_away
from service.runtime.backoff import INFRASTRUCTURE, Backoff, sleep_unless
from service.runtime.errors import KafkaRefusedError
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    import asyncio

    from service.runtime.settings import Settings

log = get_logger("kafka")
LOOK_SECONDS, QUIET_SECONDS = 0.5, 2.0
# Brokers that can't be reached, and such as come or go.
_PASSING = (
    OSError,
    errors.CoordinatorLoadInProgressError,
    errors.CoordinatorNotAvailableError,
    errors.GroupCoordinatorNotAvailableError,
    errors.GroupLoadInProgressError,
    errors.KafkaConnectionError,
    errors.LeaderNotAvailableError,
    errors.NodeNotReadyError,
    errors.NotCoordinatorError,
    errors.NotCoordinatorForGroupError,
    errors.NotLeaderForPartitionError,
    errors.RequestTimedOutError,
)
# What follows from these, said without them.
_CONSEQUENCES = (
    "Unable to update metadata from",
    "Marking the coordinator dead",
    "Heartbeat session expired",
    "Heartbeat failed for group %s: coordinator (node %s) is either not started or not valid",
)


class LogFilter(logging.Filter):
    """Demotes to debug what aiokafka says of brokers that are away, and remembers that it was said."""

    def __init__(self, *, shows_debug: bool) -> None:
        super().__init__()
        self._shows_debug = shows_debug
        self.said = ""
        self._heard_at = -QUIET_SECONDS

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a line pass; one about brokers that are away only among others of debug."""
        if not is_about_absence(record):
            return True
        if not (self.is_heard and _is_consequence(record)):  # which says less than its cause
            self.hear(record.getMessage())
        self._heard_at = time.monotonic()
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return self._shows_debug

    def hear(self, said: str) -> None:
        """Remember that brokers are away, as was said just now."""
        self.said = said
        self._heard_at = time.monotonic()

    @property
    def is_heard(self) -> bool:
        """Whether something was said just now."""
        return time.monotonic() - self._heard_at < QUIET_SECONDS


def is_about_absence(record: logging.LogRecord) -> bool:
    """Whether aiokafka says of brokers that they are away, and no more."""
    if not record.name.startswith("aiokafka") or record.exc_info:
        return False
    said = record.args if isinstance(record.args, tuple) else ()
    return _is_consequence(record) or any(map(_is_passing, said))


def _is_consequence(record: logging.LogRecord) -> bool:
    return str(record.msg).startswith(_CONSEQUENCES)


def _is_passing(said: Any) -> bool:
    kind = said if isinstance(said, type) else type(said)
    return issubclass(kind, _PASSING) and not issubclass(kind, ssl.SSLError)


async def watch_kafka(settings: Settings, stop: asyncio.Event) -> None:
    """Say once that brokers are away, in the words of what met it, and once that they are back; until `stop` is set."""
    chatter = LogFilter(shows_debug=settings.log_level.upper() == "DEBUG")
    for handler in logging.getLogger().handlers:
        handler.addFilter(chatter)  # for good: it is the process' log
    when_away.append(chatter.hear)
    while not stop.is_set():
        if chatter.is_heard:
            log.warning("waiting", of="Kafka", error=chatter.said)
            await _wait(settings, stop, chatter)
            if not stop.is_set():
                log.info("going on", of="Kafka")
        await sleep_unless(stop, LOOK_SECONDS)


async def _wait(settings: Settings, stop: asyncio.Event, chatter: LogFilter) -> None:
    """Wait until nothing is said any more and Kafka answers: who has nothing to ask it is quiet too."""
    backoff = Backoff()
    while not stop.is_set():
        if not chatter.is_heard:
            try:
                async with administering(settings):
                    return
            except (*INFRASTRUCTURE, KafkaRefusedError):
                await sleep_unless(stop, backoff.next())
        await sleep_unless(stop, LOOK_SECONDS)
