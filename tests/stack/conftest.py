"""One stack of this machine's own processes, for the tests that drive it."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from stack import Stack, StackError, StackOptions, start_stack
from stack.kafka_jars import java, kafka_jars


@dataclass(frozen=True)
class Timed:
    stack: Stack
    seconds: float


@pytest.fixture(scope="session")
def timed() -> Iterator[Timed]:
    """A local stack and how long its start took, the jars being there."""
    try:
        java(os.environ)
        kafka_jars(os.environ)
    except StackError as error:
        pytest.skip(f"no stack can be run without Docker here: {error}")
    begin = time.monotonic()
    with start_stack(StackOptions(allow_docker=False)) as stack:
        yield Timed(stack, time.monotonic() - begin)


@pytest.fixture(scope="session")
def local(timed: Timed) -> Stack:
    return timed.stack
