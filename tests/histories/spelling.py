"""The same JSON, written in many ways."""

import json
import random
from collections.abc import Sequence
from typing import Any


def spelled(value: Any, rng: random.Random) -> bytes:
    """Spell a command as JSON in one of many ways that say the same."""
    return (_space(rng) + _spelled(value, rng, free=False) + _space(rng)).encode()


def _spelled(value: Any, rng: random.Random, *, free: bool) -> str:
    """Write JSON text; numbers take another form only where `free`: inside metadata."""
    if isinstance(value, dict):
        members = list(value.items())
        rng.shuffle(members)
        lifted = {"status_change_timestamp"}
        return _join(
            "{}",
            [
                _text(name, rng)
                + ":"
                + _space(rng)
                + _spelled(inner, rng, free=name not in lifted and (free or name == "metadata"))
                for name, inner in members
            ],
            rng,
        )
    if isinstance(value, list):
        return _join("[]", [_spelled(inner, rng, free=free) for inner in value], rng)
    if isinstance(value, str):
        return _text(value, rng)
    if free and isinstance(value, int) and not isinstance(value, bool):
        return rng.choice(
            [f"{value}", f"{value}", f"{value}.0", f"{value}e0", f"{value}00E-2" if value else "-0"]
        )
    if free and isinstance(value, float):
        return rng.choice([f"{value}", f"{value}00"])
    return json.dumps(value)


def _text(value: str, rng: random.Random) -> str:
    return json.dumps(value, ensure_ascii=rng.random() < 0.5)


def _join(brackets: str, members: Sequence[str], rng: random.Random) -> str:
    inside = ("," + _space(rng)).join(members)
    return brackets[0] + _space(rng) + inside + _space(rng) + brackets[1]


def _space(rng: random.Random) -> str:
    return rng.choice(["", "", "", " ", "\n\t"])
