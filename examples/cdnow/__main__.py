"""`python -m examples.cdnow`: run Segments on the CDNOW purchases, and check the results.

Uses the servers in SEGMENTS_DATABASE_URL and SEGMENTS_KAFKA_BOOTSTRAP_SERVERS, or starts its own. Ctrl-C stops all that
it started. With --once, or without a terminal, it exits by itself. The exit code is 1 if any count differs from the
file.
"""

import argparse
import asyncio
import json
import logging
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from examples.cdnow import (
    NETWORK,
    PINNED,
    SEGMENTS,
    DataUnavailableError,
    Expected,
    Record,
    expected,
    load,
    records,
)
from examples.cdnow.program import Program, ProgramError, Running, free_port, post
from examples.cdnow.reading import look, outcome_lines, read_all, read_outcomes
from examples.cdnow.showing import Screen
from examples.cdnow.upstream import publish
from examples.cdnow.vocabulary import CHURNED, POWER_USER
from stack import Stack, StackError, StackOptions, start_stack

WAIT_SECONDS = 600
ROWS = 3


class Story(NamedTuple):
    """The purchases as records to publish, and the expected content of the tables."""

    purchases: int
    customers: int
    records: list[Record]
    expected: Expected


def read_story() -> Story:
    """Read the purchases and convert them to records."""
    purchases = load()
    customers = {purchase.customer for purchase in purchases}
    return Story(len(purchases), len(customers), records(purchases), expected(purchases))


class Demonstration:
    """One run on one stack, step by step."""

    def __init__(self, screen: Screen, stack: Stack, port: int, log_file: Path) -> None:
        """port: of the API. log_file: of `segments run`."""
        self._screen = screen
        self._stack = stack
        self._api = f"http://127.0.0.1:{port}"
        self._log_file = log_file
        settings = {
            "SEGMENTS_DATABASE_URL": stack.database_url,
            "SEGMENTS_KAFKA_BOOTSTRAP_SERVERS": stack.bootstrap_servers,
            "SEGMENTS_SIGNING_KEY": os.environ.get("SEGMENTS_SIGNING_KEY")
            or secrets.token_urlsafe(),
        }
        prefix = os.environ.get("SEGMENTS_TOPIC_PREFIX")
        self._exports = settings | ({"SEGMENTS_TOPIC_PREFIX": prefix} if prefix else {})
        self._topic = f"{prefix or 'segments'}.commands"
        shown = {"SEGMENTS_LOG_FORMAT": "console", "SEGMENTS_ACTOR": "make run"}
        self.program = Program(shown | dict(os.environ) | settings)

    def set_up(self) -> None:
        """Create roles, tables and topics."""
        self._screen.step("segments setup")
        self.program.call("setup")

    def feed(self, story: Story) -> bool:
        """Publish everything, wait until the views contain it, and compare the results; True if all agree."""
        before = asyncio.run(read_outcomes(self._stack.database_url, self._topic))
        if before.get("events"):
            self._screen.step(
                "the purchases were published to this topic before: the same commands are duplicates now"
            )
        count = len(story.records)
        self._screen.step(
            f"{story.purchases:,} purchases of {story.customers:,} customers make {count:,} records;"
            f" publishing to {self._topic}"
        )
        began = time.perf_counter()
        seconds = asyncio.run(publish(self._stack.bootstrap_servers, self._topic, story.records))
        self._screen.step(
            f"acknowledged by Kafka, {count / seconds:,.0f} records/s;"
            f" segments status --wait {WAIT_SECONDS}"
        )
        self.program.call("status", "--wait", str(WAIT_SECONDS))
        through = time.perf_counter() - began
        self._screen.step(
            f"in every view after {through:.1f} s, {count / through:,.0f} records/s with publisher,"
            " Kafka, Postgres and service sharing this machine"
        )
        return self._compare(story.expected, before)

    def create_segments(self) -> None:
        """Create the missing segments."""
        there = self.program.call("segment", "list", "--network", NETWORK, "--json")
        for segment_id, name, description in SEGMENTS:
            if f'"segment_id": {segment_id},' in there:
                continue
            self._screen.step(f"segments segment create --network {NETWORK} --name '{name}'")
            self.program.call(
                *("segment", "create", "--network", NETWORK, "--name", name),
                *("--id", str(segment_id), "--description", description),
            )

    def _compare(self, wanted: Expected, before: dict[str, int]) -> bool:
        views = asyncio.run(read_all(self._stack.database_url, self._topic, wanted))
        lines = [*outcome_lines(wanted, before, views.outcomes), views.ineffective]
        screen = self._screen
        return all(
            [
                screen.compare("Records, counted in the file and in the views", lines),
                screen.compare("Segments now (reporting.segment_size)", views.sizes),
                screen.compare(
                    "Segments at past dates (reporting.membership_as_of), although many events arrived late",
                    views.sizes_as_of,
                ),
            ]
        )

    def show(self) -> None:
        """Show a few rows of each view, the explanation of one customer's state, and the status."""
        for view, rows in asyncio.run(look(self._stack.database_url, ROWS)).items():
            self._screen.rows(f"reporting.{view}", rows)
        explain = ("explain", "--network", NETWORK, "--segment", str(POWER_USER), "--user", PINNED)
        for call in (explain, ("status",)):
            self._screen.title(f"segments {' '.join(call)}")
            self._screen.say(self.program.call(*call))

    def say_where(self) -> None:
        """Print how to connect."""
        key, link = self.make_key()
        lines = {
            "dashboard": f"{link} (works once)",
            "SQL": f'psql "{self._stack.database_url}" -c "SELECT * FROM reporting.segment_size"',  # noqa: S608 - shown, not run
            "Kafka": f"{self._stack.bootstrap_servers}, topic {self._topic}",
            "API": f"{self._api}/docs",
            "health": f"{self._api}/health/ready",
            "metrics": f"{self._api}/metrics",
            "log": str(self._log_file),
        }
        self._screen.title("Where to look")
        for name, text in lines.items():
            self._screen.say(f"{name:9} {text}")
        self.show_api(key)
        self._screen.title("In another terminal")
        for name, value in {**self._exports, "API": self._api, "KEY": key}.items():
            self._screen.say(f"export {name}='{value}'")
        self._screen.say(
            f".venv/bin/segments send --network {NETWORK} --user me@example.com"
            f" --segment {POWER_USER} --status add --description 'To see what happens'"
        )
        self._screen.say(
            f".venv/bin/segments explain --network {NETWORK} --segment {POWER_USER}"
            " --user me@example.com"
        )

    def make_key(self) -> tuple[str, str]:
        """Create a key; return it, and a link that signs in by it once."""
        made = self.program.call(
            *("key", "create", "--network", NETWORK, "--scope", "publish,report,admin,operate"),
            *("--name", "make run", "--json"),
        )
        key = json.loads(made)
        link = self.program.call(
            *("key", "link", key["key_id"], "--minutes", "720", "--url", self._api)
        )
        return key["key"], link

    def show_api(self, key: str) -> None:
        """Show a request that blocks a customer, with the result of its dry run."""
        command = {
            "user": PINNED,
            "segment_id": CHURNED,
            "user_status": "block",
            "description": "Called us",
        }
        url, body = f"{self._api}/networks/{NETWORK}/segments", json.dumps(command)
        self._screen.title("Over HTTP, with the same key")
        self._screen.say(
            f"curl -s '{url}' -H 'Prefer: wait=10' \\\n"
            f"  -H 'Authorization: Bearer {key}' \\\n  -d '{body}'"
        )
        self._screen.say(f"with ?dry_run=true it returns: {post(f'{url}?dry_run=true', body, key)}")

    def keep(self, running: Running) -> None:
        """Wait for Ctrl-C."""
        self._screen.say(
            "\nCtrl-C stops everything, and deletes the data of servers that were started here."
        )
        running.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.cdnow", description=__doc__)
    parser.add_argument("--once", action="store_true", help="exit after the report")
    once = parser.parse_args(arguments).once or not sys.stdout.isatty()
    logging.basicConfig(level=logging.INFO, format="         %(message)s")
    # SIGINT too: a shell starts background jobs with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="segments-run-"))
    log_file = folder / "segments.log"
    try:
        right = _run(Screen(), log_file, once=once)
    except KeyboardInterrupt:
        sys.stdout.write("\nStopped.\n")
        right = True
    except (DataUnavailableError, ProgramError, StackError) as error:
        notes = getattr(error, "__notes__", [])
        sys.stderr.write("\n".join([f"\n{error}", *notes, f"Log: {log_file}"]) + "\n")
        return 1
    log_file.unlink(missing_ok=True)
    folder.rmdir()
    return 0 if right else 1


def _run(screen: Screen, log_file: Path, *, once: bool) -> bool:
    with ThreadPoolExecutor(1) as aside:
        screen.step("reading the CDNOW purchases (fetched once) in the background")
        return _show(screen, log_file, aside.submit(read_story), once=once)


def _show(screen: Screen, log_file: Path, story: Future[Story], *, once: bool) -> bool:
    screen.step("starting Kafka and Postgres, unless they are configured")
    with start_stack(StackOptions.from_environment(os.environ)) as stack:
        port = int(os.environ.get("SEGMENTS_HTTP_PORT") or 0) or free_port()
        shown = Demonstration(screen, stack, port, log_file)
        shown.set_up()
        screen.step(f"segments run (log: {log_file})")
        with shown.program.running(log_file, port) as running:
            shown.create_segments()
            right = shown.feed(story.result())
            shown.show()
            shown.say_where()
            screen.say()
            screen.step(
                "every count agrees with the file" if right else "SOME COUNTS DIFFER, see above"
            )
            if not once:
                shown.keep(running)
    if once:
        screen.say(
            "\nEverything that was started here is stopped, the API and the servers included."
            "\nOn a terminal, and without --once, it runs until Ctrl-C."
        )
    return right


if __name__ == "__main__":
    sys.exit(main())
