"""Records that cannot be accepted, each with the reason why."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.histories.spelling import spelled

Command = dict[str, Any]
YEAR_1990 = 631_152_000
NEEDED = ("network_id", "user", "segment_id", "user_status")


@dataclass(frozen=True)
class Scene:
    """What a broken record is made from."""

    command: Command  # a good one, without expires_at
    rng: random.Random
    now: int
    archived: int  # an archived segment of any network


Change = Callable[[Scene], Command | bytes | None]  # None: a tombstone


def as_it_is(value: bytes | None) -> Change:
    return lambda _: value


def without(name: str) -> Change:
    return lambda scene: {field: told for field, told in scene.command.items() if field != name}


def with_(**fields: Any) -> Change:
    return lambda scene: scene.command | fields


def text(change: Callable[[bytes], bytes]) -> Change:
    return lambda scene: change(spelled(scene.command, scene.rng).strip())


def at(instant: Callable[[int], int]) -> Change:
    """Give a time told from `now`, at the top level and nowhere else."""
    return lambda scene: {
        **{name: scene.command[name] for name in NEEDED},
        "status_change_timestamp": instant(scene.now),
    }


BROKEN: list[tuple[str, Change]] = [
    ("too_large", text(lambda good: good[:-1] + b" " * 66_000 + b"}")),
    ("tombstone", as_it_is(None)),
    ("not_json", as_it_is(b"")),
    ("not_json", as_it_is(b"\x00\x01\x02avro")),
    ("not_json", text(lambda good: b"\xef\xbb\xbf" + good)),
    ("not_json", text(lambda good: good + b"{}")),
    ("not_json", text(lambda good: good[:-1])),
    ("not_json", text(lambda good: good[:-1] + b',"metadata":{"x":NaN}}')),
    ("not_json", text(lambda good: good[:-1] + b',"metadata":{"x":"\xed\xa0\x80"}}')),
    (
        "not_json",
        text(lambda good: good[:-1] + b',"metadata":{"x":' + b"[" * 70 + b"]" * 70 + b"}}"),
    ),
    ("invalid_field", as_it_is(b"[]")),
    ("invalid_field", as_it_is(b"17")),
    ("invalid_field", without("user")),
    ("invalid_field", without("segment_id")),
    ("invalid_field", with_(status_change_timestmap=1)),
    ("invalid_field", with_(segment_id="1")),
    ("invalid_field", with_(segment_id=True)),
    ("invalid_field", with_(segment_id=1.0)),
    ("invalid_field", with_(segment_id=2**31)),
    ("invalid_field", with_(network_id="a b")),
    ("invalid_field", with_(user=" @" + "x" * 320)),
    ("invalid_field", with_(user="a\0b")),
    ("invalid_field", with_(user_status="expire")),
    ("invalid_field", with_(user_status="Add")),
    ("invalid_field", with_(user_status="reset", expires_at=4_000_000_000)),
    ("invalid_field", with_(user_status="add", expires_at=4_102_444_800)),
    ("invalid_field", with_(reference_id="auto:1", metadata=None)),
    ("invalid_field", with_(reference_id="expire:1", metadata=None)),
    ("invalid_field", with_(reference_id="a", metadata={"reference_id": "b"})),
    ("invalid_field", with_(metadata=["a"])),
    ("invalid_field", text(lambda good: good[:-1] + b',"metadata":{"x":1e400}}')),
    ("invalid_field", text(lambda good: good[:-1] + b',"metadata":{"x":"\\ud800"}}')),
    ("timestamp_too_old", at(lambda _: YEAR_1990 - 1)),
    ("timestamp_too_old", at(lambda _: 0)),
    ("timestamp_in_future", at(lambda now: now * 1000)),
    ("timestamp_in_future", at(lambda now: now + 86400)),
    ("unknown_segment", with_(segment_id=2**31 - 1)),
    ("unknown_segment", with_(network_id="nobody")),
    ("segment_archived", lambda scene: scene.command | {"segment_id": scene.archived}),
]
