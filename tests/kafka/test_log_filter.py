"""Which of aiokafka's lines are about brokers that are away, and which stay as loud as they are."""

from __future__ import annotations

import logging
import ssl
from typing import Any

import pytest
from aiokafka.errors import (
    AuthenticationFailedError,
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    KafkaConnectionError,
    NodeNotReadyError,
    ProducerFenced,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from service.kafka.log_filter import LogFilter

CONNECT = "Unable connect to node with id %s: %s"
REQUEST = "Group Coordinator Request failed: %s"


def passed(
    line: str,
    *message: Any,
    name: str = "aiokafka.client",
    shows_debug: bool = False,
    fault: Any = None,
) -> str | None:
    """Send a line through; give its level, or None where it is not shown."""
    exc_info = None if fault is None else (type(fault), fault, None)
    record = logging.LogRecord(name, logging.ERROR, __file__, 1, line, message, exc_info)
    return record.levelname if LogFilter(shows_debug=shows_debug).filter(record) else None


@pytest.mark.parametrize(
    "message",
    [
        (CONNECT, 1, ConnectionRefusedError(111, "refused")),
        (CONNECT, 1, TimeoutError()),
        (CONNECT, 1, KafkaConnectionError("closed")),
        (REQUEST, GroupCoordinatorNotAvailableError()),
        ("Failed fetch messages from %s: %s", 1, NodeNotReadyError()),
        ("Unexpected error during InitProducerIdRequest: %s", NodeNotReadyError),
        ("Unable to update metadata from %s", [1]),
        ("Heartbeat session expired - marking coordinator dead",),
    ],
)  # fmt: skip
def test_brokers_that_are_away_are_a_matter_of_debug(message: tuple[Any, ...]) -> None:
    assert passed(*message) is None
    assert passed(*message, shows_debug=True) == "DEBUG"
    assert passed(*message, name="segments.ingest") == "ERROR"


@pytest.mark.parametrize(
    "message",
    [
        (CONNECT, 1, AuthenticationFailedError("bad password")),
        (CONNECT, 1, ssl.SSLCertVerificationError(1, "not trusted")),
        (REQUEST, GroupAuthorizationFailedError("g")),
        ("Topic %s is not authorized for this client", "t"),
        ("Topic %s not found in cluster metadata", "t"),
        (
            "Could not add partition %s due to unexpected error: %s",
            0,
            TopicAuthorizationFailedError,
        ),
        ("Failed fetch offsets from %s: %s", 1, UnknownTopicOrPartitionError()),
        ("Could not end transaction due to unexpected error: %s", ProducerFenced),
        ("Stickiness is violated",),
    ],
)
def test_what_is_refused_or_not_expected_stays_an_error(message: tuple[Any, ...]) -> None:
    assert passed(*message) == "ERROR"


def test_a_traceback_stays_an_error_whatever_it_is_of() -> None:
    fault = ConnectionRefusedError(111, "refused")
    assert passed("Unexpected error in fetcher routine", fault=fault) == "ERROR"
    assert passed(CONNECT, 1, fault, fault=fault) == "ERROR"
