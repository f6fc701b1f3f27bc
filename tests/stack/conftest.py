"""One stack of this machine's own processes, for the tests that drive it."""

import os
import subprocess
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
    java_seconds: float


@pytest.fixture(scope="package")
def timed() -> Iterator[Timed]:
    """A local stack and how long its start took, the jars being there, beside three starts of Java."""
    try:
        java(os.environ)
        kafka_jars(os.environ)
    except StackError as error:
        pytest.skip(f"no stack can be run without Docker here: {error}")
    before = _java_seconds()
    begin = time.monotonic()
    with start_stack(StackOptions(allow_docker=False)) as stack:
        seconds = time.monotonic() - begin
        yield Timed(stack, seconds, max(before, _java_seconds()))


def _java_seconds() -> float:
    """Measure how long Java takes to start three times, just now."""
    begin = time.monotonic()
    for _ in range(3):
        subprocess.run([java(os.environ), "-version"], capture_output=True, check=True)
    return time.monotonic() - begin


@pytest.fixture(scope="package")
def local(timed: Timed) -> Stack:
    return timed.stack
