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

    from service.http.publishing.publisher import Record

MAX_ITEMS = 1000
# A batch of 1,000 commands with 100 values each has fewer.
MOST_TOKENS = 250_000
_WHITE_SPACE = b" \t\r\n"
# A string, even one that doesn't end; or what makes the structure.
_LINE = re.compile(rb"[^ \t\r\n][^\n]*")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{},]', re.DOTALL)

_NO_ITEM = msgspec.Raw()
# An array as a struct of so many fields: msgspec passes over what comes after them and makes no object of it.
_decode_array = msgspec.json.Decoder(
    msgspec.defstruct(
        "Items",
        [(f"item_{number}", msgspec.Raw, _NO_ITEM) for number in range(MAX_ITEMS + 1)],
        array_like=True,
    )
).decode


class Item:
    """One command of a request, on its way to Kafka.

    value: its bytes as sent and, once it was read, as they will be published. line: its own, from 1, in a batch of
    lines. cost: what Room counts it as. command, key: once it was read. problem: why it goes no further. record: once
    the publisher has it.
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
        """Read it as a command of a network, as the ingest will; of its times nothing is checked.

        What was sent is published as it stands: numbers keep their digits. A network_id that it leaves out is added at
        its end. Raises: Refusal.
        """
        body = self.value
        check_size(None, body)
        self.command = read_command(body, channel=Channel.HTTP, network_id=network_id)
        self.key = f"{network_id}:{self.command.user}".encode()
        self.value = body if _names_network(body) else _with_network(body, network_id)
        check_size(self.key, self.value)

    def refuse(self, error: Exception) -> None:
        """Let it go no further. error: a Refusal, a Problem, or DatabaseAwayError."""
        self.problem = of_unpublished(error).without_frames()

    async def sent(self) -> RecordMetadata | Problem:
        """Give where the broker put it, once it has it, or why it does not."""
        return self.problem or await self.record.sent


class _Named(msgspec.Struct):
    network_id: Any = None  # of equal names the last counts, whatever the others hold


_decode_named = msgspec.json.Decoder(_Named).decode


def _names_network(body: bytes) -> bool:
    """Whether a command, valid with its path's network, names it."""
    return b"network" in body and bool(_decode_named(body).network_id)


def _with_network(body: bytes, network_id: str) -> bytes:
    # The last of equal names counts, and no object that is a command is empty.
    return body.rstrip(_WHITE_SPACE)[:-1] + f', "network_id": "{network_id}"}}'.encode()


def split_batch(body: bytes, *, is_lines: bool) -> list[Item]:
    """Split a batch into its items, as they stand: a JSON array's, or the lines of NDJSON.

    Nothing is made of items beyond MAX_ITEMS, however many the body has.
    Raises: Problem 400 where it is none as a whole; items are looked at one by one.
    """
    items = _lines(body) if is_lines else [Item(piece) for piece in _array(body)]
    if len(items) > MAX_ITEMS:
        raise _batch_refused(f"the batch holds more than {MAX_ITEMS} commands")
    if not items:
        raise _batch_refused("the batch holds no command")
    return items


def _lines(body: bytes) -> list[Item]:
    """Split into lines that are not blank, at most one more than is allowed."""
    items: list[Item] = []
    number, counted = 1, 0
    for found in islice(_LINE.finditer(body), MAX_ITEMS + 1):
        start = body.rfind(b"\n", 0, found.start()) + 1
        number += body.count(b"\n", counted, start)
        counted = start
        items.append(Item(body[start : found.end()], line=number))
    return items


def _array(body: bytes) -> list[bytes]:
    """Split a JSON array into its items, at most one more than is allowed. Raises: Problem 400 where it is none."""
    try:
        pieces = msgspec.structs.astuple(_decode_array(body))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        items = _split_array(body.strip(_WHITE_SPACE))
        if not items:
            raise of_refusal(Refusal(Reason.NOT_JSON, _no_array(body, error))) from error
        return items
    return [bytes(piece) for piece in pieces if piece is not _NO_ITEM]


def _split_array(body: bytes) -> list[bytes]:
    """Split what is an array but for what its items hold, by its brackets and commas; empty: it is none.

    So that an item that is no JSON, has a lone surrogate, or is nested too deeply harms no other. It is slow, and gives
    up after MOST_TOKENS.
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
    """Say what a batch is instead of an array."""
    if body.lstrip(_WHITE_SPACE)[:1] == b"{":
        return (
            "not a JSON array but an object: lines of objects are sent with Content-Type: application/x-ndjson,"
            " a single command to …/segments"
        )
    return f"not a JSON array: {error}"[:200]


def _batch_refused(message: str) -> Problem:
    error = FieldError("", message)
    return of_refusal(Refusal(Reason.INVALID_FIELD, describe([error], whole=""), [error]))
