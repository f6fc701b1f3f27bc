"""Many commands: in requests that the API takes, each command until it was taken or is refused."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from segments_client.models import Command, Problem, Queued
from segments_client.problems import RETRIED, ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MOST_COMMANDS = 1000
MOST_BYTES = 4 * 2**20
TOO_MANY = 413
ITEMS = TypeAdapter(dict[str, list[Problem | Queued]])
Numbered = tuple[int, Command]


@dataclass(slots=True)
class Batch:
    """What became of many commands, by their number from 0: queued in Kafka, or refused for good."""

    queued: dict[int, Queued] = field(default_factory=dict)
    refused: dict[int, Problem] = field(default_factory=dict)


class NotAllTakenError(Exception):
    """Some commands were not taken after all attempts. batch: the others; left: the numbers of these.

    __cause__ says why. It is safe to send these again later if they have a time; one without a time may be in Kafka
    already, and counts twice then.
    """

    def __init__(self, batch: Batch, left: Sequence[int]) -> None:
        super().__init__(f"{len(left)} commands were not taken")
        self.batch = batch
        self.left = list(left)


class Left(Exception):  # noqa: N818 - is caught within the package
    """Some items of a request were not taken, and are not in Kafka."""


def new_key() -> str:
    """Make an idempotency key."""
    return secrets.token_hex(16)


def requests(commands: Iterable[Numbered]) -> Iterator[list[Numbered]]:
    """Divide commands into requests, in order."""
    request: list[Numbered] = []
    size = 2
    for numbered in commands:
        length = len(encode(numbered[1])) + 1
        if request and (len(request) == MOST_COMMANDS or size + length > MOST_BYTES):
            yield request
            request, size = [], 2
        request.append(numbered)
        size += length
    if request:
        yield request


def encode(command: Command) -> bytes:
    """Return the JSON of a command; a field that was not set is absent."""
    return command.model_dump_json(exclude_unset=True).encode()


class Sender:
    """Sends one request's commands until each was taken or refused.

    post: sends a body to the batch call with a key, retried as a whole under the same key. one: sends one command
    with its key, retried.
    """

    def __init__(
        self,
        batch: Batch,
        post: Callable[[bytes, str], bytes],
        one: Callable[[Command, str], Queued],
    ) -> None:
        self._batch = batch
        self._post = post
        self._one = one

    def send(self, commands: list[Numbered]) -> list[Numbered]:
        """Send once; return the commands that are not in Kafka and may be sent again under another key.

        An item whose command may be in Kafka is sent alone, under the key that it had as an item, so it counts once.
        """
        key = new_key()
        try:
            content = self._post(b"[" + b",".join(encode(one) for _, one in commands) + b"]", key)
        except ProblemError as error:
            if error.problem.status != TOO_MANY or len(commands) == 1:
                raise
            half = len(commands) // 2  # more than the rate limit of the key ever lets pass at once
            return self.send(commands[:half]) + self.send(commands[half:])
        left, unknown = [], []
        for place, (numbered, item) in enumerate(zip(commands, items(content), strict=True)):
            number, command = numbered
            if isinstance(item, Queued):
                self._batch.queued[number] = item
            elif item.status not in RETRIED:
                self._batch.refused[number] = item
            elif item.published == "no":
                left.append(numbered)
            else:
                unknown.append((number, command, f"{key}:{place}"))
        for number, command, key_of_item in unknown:
            self._send_alone(number, command, key_of_item)
        return left

    def _send_alone(self, number: int, command: Command, key: str) -> None:
        try:
            self._batch.queued[number] = self._one(command, key)
        except ProblemError as error:
            if error.problem.status in RETRIED:
                raise
            self._batch.refused[number] = error.problem


def items(content: bytes) -> list[Problem | Queued]:
    """Read the items of the response of the batch call."""
    return ITEMS.validate_json(content)["items"]
