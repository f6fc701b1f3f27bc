"""Error messages of commands for failures of Postgres and Kafka; imported only after a failure."""

from __future__ import annotations

import asyncpg
from aiokafka.errors import KafkaConnectionError, KafkaError

from service.kafka.login import refused
from service.postgres.database import set_up_fault
from service.runtime.denied import DENIED
from service.runtime.errors import SegmentsError


def explain_fault(error: BaseException) -> tuple[str, int] | None:
    """Return the message and the exit code of an error; None for a bug."""
    if isinstance(error, DENIED):
        error = refused(error)
    if isinstance(error, SegmentsError):
        return str(error), error.exit_code
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
        return str(set_up_fault(error) or f"Postgres: {error}"), 1
    if isinstance(error, KafkaConnectionError) and error.args:
        return f"Can't reach Kafka: {error.args[0]}", 1
    if isinstance(error, KafkaError):
        return f"Kafka: {error}", 1
    if isinstance(error, OSError):
        # The text of a timeout is empty.
        return f"Can't reach Postgres or Kafka: {str(error) or type(error).__name__}", 1
    return None
