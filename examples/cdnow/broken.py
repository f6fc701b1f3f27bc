"""The broken records: typical mistakes of publishers, each with its reason."""

import datetime as dt
import json
from typing import Any, NamedTuple

from examples.cdnow.vocabulary import CHURNED, NETWORK


class Broken(NamedTuple):
    """One record that Segments must reject."""

    published_at: int
    """When it reached Kafka: Unix seconds, UTC."""
    key: bytes | None
    value: bytes | None
    reason: str
    """The reason, as in view `rejected`."""


def _at(day: str) -> int:
    return int(dt.datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp())


def _broken(day: str, reason: str, value: bytes | None, *, key: bool = True) -> Broken:
    return Broken(_at(day), f"{NETWORK}:C-00042".encode() if key else None, value, reason)


def _command(day: str, **other: Any) -> bytes:
    """Build a valid command with some fields replaced."""
    right = {
        "network_id": NETWORK,
        "user": "C-00042",
        "segment_id": CHURNED,
        "user_status": "enter",
        "status_change_timestamp": _at(day),
    }
    return json.dumps(right | other).encode()


def _misspelt(command: bytes) -> bytes:
    """Exchange two letters in the name of the time: it must not silently become "now"."""
    return command.replace(b"status_change_timestamp", b"status_chagne_timestamp")


BROKEN = [
    _broken("1997-02-10", "not_json", b"enter C-00042 into Churned", key=False),
    _broken("1997-03-11", "not_json", b"\x00\x00\x00\x00\x2a\x0eC-00042", key=False),
    _broken("1997-04-12", "not_json", _command("1997-04-12")[:-9]),
    _broken("1997-05-13", "invalid_field", _misspelt(_command("1997-05-13"))),
    _broken("1997-06-14", "invalid_field", _command("1997-06-14", segment_id=str(CHURNED))),
    _broken("1997-07-15", "invalid_field", _command("1997-07-15", user_status="churned")),
    _broken(
        "1997-08-16",
        "timestamp_in_future",
        _command("1997-08-16", status_change_timestamp=_at("1997-08-16") * 1000),
    ),
    _broken("1997-09-17", "timestamp_too_old", _command("1997-09-17", status_change_timestamp=0)),
    _broken("1997-10-18", "unknown_segment", _command("1997-10-18", segment_id=99)),
    _broken("1997-11-19", "tombstone", None),
]
