"""Chooses the method, and starts the stack."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stack.cache import cache_folder
from stack.docker import docker_answers, docker_kafka, docker_postgres
from stack.errors import NotFittingError
from stack.given import check_kafka, check_postgres
from stack.home import Home
from stack.kafka import KafkaTools, start_kafka
from stack.kafka_jars import java, kafka_jars
from stack.options import StackOptions
from stack.part import GivenPart, OwnedPart, Part
from stack.postgres import PostgresTools, start_postgres
from stack.postgres_binaries import postgres_binaries

_log = logging.getLogger(__name__)

_Start = Callable[[], tuple[str, OwnedPart]]
"""Start a server; return its address and the part."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A running Kafka and Postgres."""

    bootstrap_servers: str
    """`host:port`; without login and encryption, unless it is an existing server."""
    database_url: str
    """The owner's login to the database `segments`; without a password, unless it is an existing server."""
    kafka: Part
    postgres: Part
    log_files: tuple[Path, ...]
    """The log files of the servers; none for existing servers."""


@contextlib.contextmanager
def start_stack(options: StackOptions | None = None) -> Iterator[Stack]:
    """Start the servers without an address in the options, wait until they respond, and stop them at the end.

    StackError if no method is available or a server does not start; the message says what to do. If the start or the
    block fails, the logs are kept, and the error names their folder.
    """
    options = options or StackOptions()
    if options.database_url is not None:
        check_postgres(options.database_url)
    if options.bootstrap_servers is not None:
        check_kafka(options.bootstrap_servers)
    home = Home(options.keep_logs_in, options.data_in)
    failed = False
    try:
        with contextlib.ExitStack() as closing:
            yield _first_that_fits(options, home, closing)
    except Exception as error:
        failed = any(home.logs.iterdir())
        if failed:
            error.add_note(f"The logs of the stack are kept in {home.logs}")
        raise
    finally:
        home.close(failed=failed)


def _first_that_fits(options: StackOptions, home: Home, closing: contextlib.ExitStack) -> Stack:
    if _all_exist(options):
        return _at_once(_existing(options), home, closing)
    secured = options.kafka_listeners or options.kafka_scram
    if options.allow_docker and not secured and docker_answers(options.environment):
        try:
            return _at_once(_docker(options, home) | _existing(options), home, closing)
        except NotFittingError as reason:
            _log.warning("%s; trying without Docker", reason)
    return _at_once(_local(options, home) | _existing(options), home, closing)


def _all_exist(options: StackOptions) -> bool:
    return options.database_url is not None and options.bootstrap_servers is not None


def _existing(options: StackOptions) -> dict[str, _Start]:
    starts: dict[str, _Start] = {}
    if (servers := options.bootstrap_servers) is not None:
        starts["kafka"] = lambda: (servers, GivenPart("Kafka"))
    if (url := options.database_url) is not None:
        starts["postgres"] = lambda: (url, GivenPart("Postgres"))
    return starts


def _docker(options: StackOptions, home: Home) -> dict[str, _Start]:
    return {
        "kafka": partial(docker_kafka, options.kafka_overrides, home),
        "postgres": partial(docker_postgres, options.postgres_overrides, home),
    }


def _local(options: StackOptions, home: Home) -> dict[str, _Start]:
    """Check for all tools before anything is started."""
    starts: dict[str, _Start] = {}
    if options.bootstrap_servers is None:
        kafka = KafkaTools(
            java=java(options.environment),
            jars=kafka_jars(options.environment),
            fast_jvm=options.fast_jvm,
            cache=cache_folder(options.environment),
            overrides=options.kafka_overrides,
            listeners=options.kafka_listeners,
            scram=options.kafka_scram,
        )
        starts["kafka"] = partial(start_kafka, kafka, home)
    if options.database_url is None:
        postgres = PostgresTools(
            binaries=postgres_binaries(options.environment), overrides=options.postgres_overrides
        )
        starts["postgres"] = partial(start_postgres, postgres, home)
    return starts


def _at_once(starts: dict[str, _Start], home: Home, closing: contextlib.ExitStack) -> Stack:
    """Start both in parallel; if one fails, the start of the other is cancelled."""
    home.cancelled.clear()
    with ThreadPoolExecutor(len(starts)) as threads:
        futures = {name: threads.submit(start) for name, start in starts.items()}
        first = None
        try:
            done = wait(futures.values(), return_when=FIRST_EXCEPTION).done
            first = next((future for future in done if future.exception()), None)
            if first is not None:
                home.cancelled.set()
        except BaseException:  # Ctrl-C: cancel the threads, because the executor waits for them
            home.cancelled.set()
            raise
    for future in futures.values():
        if future.exception() is None:
            closing.callback(future.result()[1].discard)
    if first is not None:
        closing.close()
        first.result()
    bootstrap_servers, kafka = futures["kafka"].result()
    database_url, postgres = futures["postgres"].result()
    logs = (kafka.log_file, postgres.log_file)
    return Stack(
        bootstrap_servers, database_url, kafka, postgres, tuple(log for log in logs if log)
    )
