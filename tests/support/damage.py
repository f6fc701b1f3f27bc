"""Commands that were damaged at random."""

from __future__ import annotations

from typing import Any

from tests.support.kafka import NewRecord
from tests.support.lane import command_json
from tests.support.zoo import NOW, VALUES


def mutations(rng: Any, count: int) -> list[NewRecord]:
    """Good commands that were damaged: bits, bytes, pieces gone, doubled, exchanged; and plain noise."""
    good = [value for what, value in VALUES if what == "event" and value and len(value) < 2000]
    good += [command_json(status_change_timestamp=NOW, reference_id="r", expires_at=NOW + 99)]
    return [
        NewRecord(_damaged(rng, rng.choice(good), good), lane=0, key=_noise(rng, 8))
        for _ in range(count)
    ]


def _noise(rng: Any, most: int) -> bytes:
    return bytes(rng.getrandbits(8) for _ in range(rng.randint(0, most)))


_TOKENS = [
    b"\0",
    b"\\u0000",
    b"\\ud800",
    b'"',
    b"{",
    b"}",
    b"[",
    b"1e400",
    b"null",
    b"\xff",
    b"1e-400",
    b"-",
    b",",
    b":",
    b"9" * 40,
]


def _damaged(rng: Any, value: bytes, good: list[bytes]) -> bytes:
    raw = bytearray(value)
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(raw) + 1)
        match rng.randrange(7):
            case 0 if at < len(raw):
                raw[at] ^= 1 << rng.randrange(8)
            case 1:
                raw[at:at] = rng.choice(_TOKENS)
            case 2:
                del raw[at : at + rng.randint(1, 6)]
            case 3:
                raw[at:at] = _noise(rng, 6)
            case 4:
                other = rng.choice(good)
                cut = rng.randrange(len(other))
                raw[at:] = other[cut:]
            case 5:
                raw = bytearray(_noise(rng, 60))
            case _:
                raw[at:at] = raw[at : at + 30]
    return bytes(raw)
