"""Filters aiokafka's log lines about unavailable brokers: it writes one per retry and connection, the service one.

aiokafka recovers from all errors that are demoted here. Unexpected errors and refusals (ACLs, logins, certificates)
keep their level.
"""

from __future__ import annotations

import logging
import ssl
import time
from typing import TYPE_CHECKING, Any

from aiokafka import errors

from service.kafka.clients import administering
from service.kafka.login import on_unavailable
from service.runtime.backoff import INFRASTRUCTURE, Backoff, sleep_unless
from service.runtime.errors import KafkaRefusedError
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    import asyncio

    from service.runtime.settings import Settings

log = get_logger("kafka")
LOOK_SECONDS, QUIET_SECONDS = 0.5, 2.0
# Errors of unreachable or restarting brokers.
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
# Lines about the consequences of these errors, which do not contain the error.
_CONSEQUENCES = (
    "Unable to update metadata from",
    "Marking the coordinator dead",
    "Heartbeat session expired",
    "Heartbeat failed for group %s: coordinator (node %s) is either not started or not valid",
)


class LogFilter(logging.Filter):
    """Demotes aiokafka's lines about unavailable brokers to debug, and remembers the last one."""

    def __init__(self, *, shows_debug: bool) -> None:
        super().__init__()
        self._shows_debug = shows_debug
        self.error = ""
        self._noted_at = -QUIET_SECONDS

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass a line; one about unavailable brokers only at level debug."""
        if not is_about_unavailability(record):
            return True
        if not (self.is_unavailable and _is_consequence(record)):  # the cause is more informative
            self.note(record.getMessage())
        self._noted_at = time.monotonic()
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return self._shows_debug

    def note(self, error: str) -> None:
        """Record an error about unavailable brokers."""
        self.error = error
        self._noted_at = time.monotonic()

    @property
    def is_unavailable(self) -> bool:
        """Whether an error was recorded in the last QUIET_SECONDS."""
        return time.monotonic() - self._noted_at < QUIET_SECONDS


def is_about_unavailability(record: logging.LogRecord) -> bool:
    """Whether a line of aiokafka is only about unavailable brokers."""
    if not record.name.startswith("aiokafka") or record.exc_info:
        return False
    arguments = record.args if isinstance(record.args, tuple) else ()
    return _is_consequence(record) or any(map(_is_passing, arguments))


def _is_consequence(record: logging.LogRecord) -> bool:
    return str(record.msg).startswith(_CONSEQUENCES)


def _is_passing(argument: Any) -> bool:
    kind = argument if isinstance(argument, type) else type(argument)
    return issubclass(kind, _PASSING) and not issubclass(kind, ssl.SSLError)


async def watch_kafka(settings: Settings, stop: asyncio.Event) -> None:
    """Log once that Kafka is unavailable, with the client's error, and once that it is back; until `stop` is set."""
    log_filter = LogFilter(shows_debug=settings.log_level.upper() == "DEBUG")
    for handler in logging.getLogger().handlers:
        handler.addFilter(log_filter)  # never removed: it filters the process's log
    on_unavailable.append(log_filter.note)
    while not stop.is_set():
        if log_filter.is_unavailable:
            log.warning("waiting", of="Kafka", error=log_filter.error)
            await _wait(settings, stop, log_filter)
            if not stop.is_set():
                log.info("recovered", of="Kafka")
        await sleep_unless(stop, LOOK_SECONDS)


async def _wait(settings: Settings, stop: asyncio.Event, log_filter: LogFilter) -> None:
    """Wait until no errors are logged and Kafka responds. Silence alone is not enough: clients may be idle."""
    backoff = Backoff()
    while not stop.is_set():
        if not log_filter.is_unavailable:
            try:
                async with administering(settings):
                    return
            except (*INFRASTRUCTURE, KafkaRefusedError):
                await sleep_unless(stop, backoff.next())
        await sleep_unless(stop, LOOK_SECONDS)
