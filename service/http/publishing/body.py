"""From a request's bytes to a record to publish: one command, or the items of a batch."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from schemas.command import Channel, Command, check_size, read_command
from schemas.command.refusal import FieldError, Reason, Refusal, describe

MAX_ITEMS = 1000
_WHITE_SPACE = b" \t\r\n"
# A string, even one that doesn't end; or what makes the structure.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{},]', re.DOTALL)


class Intake(NamedTuple):
    """A command that was read, with record key and value as they will be published."""

    command: Command
    key: bytes
    value: bytes


def take(body: bytes, network_id: str) -> Intake:
    """Read one command of a network, as the ingest will; of its times nothing is checked.

    What was sent is published as it stands: numbers keep their digits. A network_id that it leaves out is added at
    its end. Raises: Refusal.
    """
    command = read_command(body, channel=Channel.HTTP, network_id=network_id)
    value = body if _names_network(body) else _with_network(body, network_id)
    key = f"{network_id}:{command.user}".encode()
    check_size(key, value)
    return Intake(command, key, value)


class _Named(msgspec.Struct):
    network_id: Any = None  # of equal names the last counts, whatever the others hold


_decode_named = msgspec.json.Decoder(_Named).decode


def _names_network(body: bytes) -> bool:
    """Whether a command, valid with its path's network, names it."""
    return b"network" in body and bool(_decode_named(body).network_id)


def _with_network(body: bytes, network_id: str) -> bytes:
    # The last of equal names counts, and no object that is a command is empty.
    return body.rstrip(_WHITE_SPACE)[:-1] + f', "network_id": "{network_id}"}}'.encode()


def split_batch(body: bytes, *, lines: bool) -> list[bytes]:
    """Split a batch into its items, as they stand: a JSON array's, or the lines of NDJSON.

    Raises: Refusal (not_json, too_large, invalid_field) where it is none as a whole; items are looked at one by one.
    """
    if lines:
        items = [line for line in body.split(b"\n") if line.strip(_WHITE_SPACE)]
    else:
        try:
            items = [bytes(item) for item in msgspec.json.decode(body, type=list[msgspec.Raw])]
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            items = _split_array(body.strip(_WHITE_SPACE))
            if not items:
                raise Refusal(Reason.NOT_JSON, _no_array(body, error)) from error
    if len(items) > MAX_ITEMS:
        raise _batch_refused(f"the batch holds {len(items)} commands, {MAX_ITEMS} are allowed")
    if not items:
        raise _batch_refused("the batch holds no command")
    return items


def _split_array(body: bytes) -> list[bytes]:
    """Split what is an array but for what its items hold, by its brackets and commas; empty: it is none.

    So that an item that is no JSON, has a lone surrogate, or is nested too deeply harms no other.
    """
    items: list[bytes] = []
    depth, start = 0, 1
    for token in _TOKEN.finditer(body):
        what = token.group()
        if what in (b"[", b"{"):
            depth += 1
        elif what in (b"]", b"}"):
            depth -= 1
        if (what == b"," and depth == 1) or depth == 0:
            items.append(body[start : token.start()].strip(_WHITE_SPACE))
            start = token.end()
        if depth == 0:
            break
    is_array = body[:1] == b"[" and body[start - 1 : start] == b"]" and start == len(body)
    return items if is_array else []


def _no_array(body: bytes, error: Exception) -> str:
    """Say what a batch is instead of an array."""
    if body.lstrip(_WHITE_SPACE)[:1] == b"{":
        return (
            "not a JSON array but an object: lines of objects are sent with Content-Type: application/x-ndjson,"
            " a single command to …/segments"
        )
    return f"not a JSON array: {error}"[:200]


def _batch_refused(message: str) -> Refusal:
    error = FieldError("", message)
    return Refusal(Reason.INVALID_FIELD, describe([error], whole=""), [error])
