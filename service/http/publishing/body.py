"""From a request's bytes to records to publish: one command, or the items of a batch."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from schemas.command import Channel, Command, check_size, read_command
from schemas.command.refusal import FieldError, Reason, Refusal, describe
from service.http.kit.problems import Problem, of_refusal, of_unpublished
from service.http.publishing.room import RECORD_BYTES

if TYPE_CHECKING:
    from aiokafka.structs import RecordMetadata

    from service.http.publishing.partition_queue import Record

MAX_ITEMS = 1000
# A batch of 1,000 commands with 40 values each has fewer.
MOST_TOKENS = 100_000
_WHITE_SPACE = b" \t\r\n"
# A line that is not blank.
_LINE = re.compile(rb"[^ \t\r\n][^\n]*")
# A string, even an unterminated one, or a structural character.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{},]', re.DOTALL)

_NO_ITEM = msgspec.Raw()
# An array as a struct with a limited number of fields: msgspec skips further items without making objects.
_decode_array = msgspec.json.Decoder(
    msgspec.defstruct(
        "Items",
        [(f"item_{number}", msgspec.Raw, _NO_ITEM) for number in range(MAX_ITEMS + 1)],
        array_like=True,
    )
).decode


class Item:
    """One command of a request, on its way to Kafka.

    value: its bytes as sent and, once read, as they will be published. line: its line number, from 1, in a batch of
    lines. cost: bytes for Room. command, key: set once read. problem: set if refused. record: set once the publisher
    has it.
    """

    __slots__ = ("command", "cost", "idempotency_key", "key", "line", "problem", "record", "value")

    command: Command
    key: bytes
    record: Record

    def __init__(
        self, value: bytes, idempotency_key: str | None = None, line: int | None = None
    ) -> None:
        self.value = value
        self.idempotency_key = idempotency_key
        self.line = line
        self.cost = len(value) + RECORD_BYTES
        self.problem: Problem | None = None

    def read(self, network_id: str) -> None:
        """Read it as a command of a network, as ingest will, without checking its times.

        The bytes are published as sent, so numbers keep their digits; a missing network_id is added at the end.
        Raises: Refusal.
        """
        body = self.value
        check_size(None, body)
        self.command = read_command(body, channel=Channel.HTTP, network_id=network_id)
        self.key = f"{network_id}:{self.command.user}".encode()
        self.value = body if _names_network(body) else _with_network(body, network_id)
        check_size(self.key, self.value)

    def refuse(self, error: Exception) -> None:
        """Refuse it. error: a Refusal, a Problem, or DatabaseAwayError."""
        self.problem = of_unpublished(error).without_frames()

    async def sent(self) -> RecordMetadata | Problem:
        """Wait for the broker; return its acknowledgement, or the problem."""
        return self.problem or await self.record.sent


class _Named(msgspec.Struct):
    network_id: Any = None  # of equal names the last counts


_decode_named = msgspec.json.Decoder(_Named).decode


def _names_network(body: bytes) -> bool:
    """Whether a command names its network; it is valid with that of its path."""
    return b"network" in body and bool(_decode_named(body).network_id)


def _with_network(body: bytes, network_id: str) -> bytes:
    # The last of equal names counts, and no object that is a command is empty.
    return body.rstrip(_WHITE_SPACE)[:-1] + f', "network_id": "{network_id}"}}'.encode()


def split_batch(body: bytes, *, is_lines: bool) -> list[Item]:
    """Split a batch into the bytes of its items: those of a JSON array, or the lines of NDJSON.

    No object is made for items beyond MAX_ITEMS. Raises: Problem 400 if it is not a batch; the items are not read yet.
    """
    items = _lines(body) if is_lines else [Item(piece) for piece in _array(body)]
    if len(items) > MAX_ITEMS:
        raise _batch_refused(f"the batch holds more than {MAX_ITEMS} commands")
    if not items:
        raise _batch_refused("the batch holds no command")
    return items


def _lines(body: bytes) -> list[Item]:
    """Split into lines that are not blank, at most one more than allowed."""
    items: list[Item] = []
    number, counted = 1, 0
    for line in islice(_LINE.finditer(body), MAX_ITEMS + 1):
        start = body.rfind(b"\n", 0, line.start()) + 1
        number += body.count(b"\n", counted, start)
        counted = start
        items.append(Item(body[start : line.end()], line=number))
    return items


def _array(body: bytes) -> list[bytes]:
    """Split a JSON array into its items, at most one more than allowed. Raises: Problem 400 if it is none."""
    try:
        pieces = msgspec.structs.astuple(_decode_array(body))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        items = _split_array(body.strip(_WHITE_SPACE))
        if not items:
            raise of_refusal(Refusal(Reason.NOT_JSON, _no_array(body, error))) from error
        return items
    return [bytes(piece) for piece in pieces if piece is not _NO_ITEM]


def _split_array(body: bytes) -> list[bytes]:
    """Split an array with invalid items by its brackets and commas; empty if it is not an array.

    So an item that is not JSON, has a lone surrogate or is nested too deeply does not affect the others. It is slow,
    and gives up after MOST_TOKENS.
    """
    items: list[bytes] = []
    depth, start = 0, 1
    for token in islice(_TOKEN.finditer(body), MOST_TOKENS):
        what = token.group()
        if what in (b"[", b"{"):
            depth += 1
        elif what in (b"]", b"}"):
            depth -= 1
        if (what == b"," and depth == 1) or depth == 0:
            items.append(body[start : token.start()].strip(_WHITE_SPACE))
            start = token.end()
        if depth == 0 or len(items) > MAX_ITEMS:
            break
    is_array = body[:1] == b"[" and (
        len(items) > MAX_ITEMS or (body[start - 1 : start] == b"]" and start == len(body))
    )
    return items if is_array else []


def _no_array(body: bytes, error: Exception) -> str:
    """Describe a batch that is not an array."""
    if body.lstrip(_WHITE_SPACE)[:1] == b"{":
        return (
            "not a JSON array but an object: lines of objects are sent with Content-Type: application/x-ndjson,"
            " a single command to …/segments"
        )
    return f"not a JSON array: {error}"[:200]


def _batch_refused(message: str) -> Problem:
    error = FieldError("", message)
    return of_refusal(Refusal(Reason.INVALID_FIELD, describe([error], whole=""), [error]))
