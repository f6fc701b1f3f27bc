"""A long history from a seed."""

# ruff: noqa: S311 - a seeded generator is wanted here, no secret

import random
from dataclasses import replace
from typing import Any

from tests.histories.broken import BROKEN, YEAR_1990, Command, Scene
from tests.histories.delivery import Sent
from tests.histories.names import network_name, user_names
from tests.histories.spelling import spelled
from tests.oracle.reading import normalise_user

BIG = 12_345_678_901_234_567_890_123  # no double holds it
AGAIN = {  # how something is said again, and how often
    "alike": 45,
    "tie": 30,
    "content": 12,
    "key": 8,
    "user": 8,
    "number": 5,
    "elsewhere": 4,
}
ALMOST_FIVE_MINUTES = 295  # the clocks of broker and test may differ a little


def history(
    seed: int,
    now: int,
    *,
    commands: int = 20_000,
    lanes: int = 8,
    users: int = 40,
    segments: int = 5,
    networks: int = 2,
    broken: float = 0.03,
    due: bool = False,
) -> list[Sent]:
    """Make a history over `registry(networks, segments)`, equal for equal arguments.

    broken: the share of records that cannot be accepted. due: let expires_at lie in the past too
    (a service that runs would then publish expiries of its own). Nothing else depends on a clock.
    """
    generator = Generator(random.Random(seed), now)
    generator.lanes, generator.due = lanes, due
    generator.users, generator.segments = user_names(users), segments
    generator.networks = [network_name(network) for network in range(networks)]
    return [generator.next(number, number / commands, broken) for number in range(commands)]


class Generator:
    """Draws one record after another; keeps some of them to say them again."""

    def __init__(self, rng: random.Random, now: int) -> None:
        self.rng, self.now, self.instant = rng, now, now
        self.lanes, self.segments, self.due = 8, 5, False
        self.users: list[str] = []
        self.networks: list[str] = []
        self.published: list[tuple[Command, bytes | None]] = []

    def next(self, number: int, progress: float, broken: float) -> Sent:
        self.instant = self.now - int(3600 * (1 - progress))
        if self.rng.random() < broken:
            return self.broken(number)
        again = bool(self.published) and self.rng.random() < 0.18
        command, key = self.again() if again else (self.command(), self.idempotency_key())
        self.published.append((command, key))
        return self.sent(number, command, key)

    def command(self) -> Command:
        """Draw a new command: few keys, few instants, few references, so that they collide."""
        rng = self.rng
        command: Command = {
            "network_id": rng.choice(self.networks),
            "user": self.spelling(rng.choice(self.users)),
            "segment_id": rng.randint(1, max(1, self.segments - 1)),
            "user_status": rng.choices(
                ["add", "block", "reset", "enter", "leave"], [3, 2, 3, 5, 5]
            )[0],
        }
        time = self.time()
        if time is not None:
            command["status_change_timestamp"] = time
        if rng.random() < 0.5:
            campaign = rng.choice(["spring", "spring", "k\u00e4mpagne/2", 'q"uote', None, ""])
            command["reference_id"] = campaign
        elif rng.random() < 0.5:
            command["reference_id"] = f"ref-{rng.getrandbits(40)}"
        if rng.random() < 0.3:
            command["description"] = rng.choice(
                ["vip", "asked\nby phone", "\u65e5\u672c", "", None]
            )
        if command["user_status"] in {"add", "block"} and rng.random() < 0.3:
            command["expires_at"] = self.expiry(time)
        if rng.random() < 0.4:
            self.dress(command)
        return command

    def time(self) -> int | None:
        rng = self.rng
        match rng.choices(["blank", "close", "late", "old", "future"], [8, 69, 15, 5, 3])[0]:
            case "blank":
                return None
            case "close":
                return self.instant - rng.choice([self.instant % 30, rng.randint(0, 20)])
            case "late":
                return self.now - rng.randint(0, 40 * 86400)
            case "old":
                return rng.choice([YEAR_1990, rng.randint(YEAR_1990, self.now)])
            case _:
                return self.now + rng.randint(1, ALMOST_FIVE_MINUTES)

    def expiry(self, time: int | None) -> int:
        if self.due and time is not None and self.rng.random() < 0.7:
            return time + self.rng.choice([1, 30, 3600])
        return self.now + self.rng.choice([86400, 86401, 90 * 86400])

    def dress(self, command: Command) -> None:
        """Add metadata; some of it holds fields of the command, moved or said twice alike."""
        rng = self.rng
        metadata: dict[str, Any] = rng.choice(
            [
                {},
                {"score": 1, "tags": ["a", {"deep": [None, True, 0]}]},
                {"score": 1.5, "text": "\u017c 'x' \"y\" \\", "": {"a": {}}},
                {"big": BIG, "true": True, "one": 1},
                {"user_status": "add", "expires_at": 5},
            ]
        )
        command["metadata"] = dict(metadata)
        for name in ("reference_id", "status_change_timestamp", "description"):
            if name in command and rng.random() < 0.25:
                command["metadata"][name] = command[name]
                if rng.random() < 0.8:
                    del command[name]
        if rng.random() < 0.05:
            command["metadata"] = rng.choice([None, "", {}])

    def again(self) -> tuple[Command, bytes | None]:
        """Say something again: alike, or with other content under the same identity."""
        rng = self.rng
        recent = self.published[-400:] if rng.random() < 0.7 else self.published
        command, key = rng.choice(recent)
        command = dict(command)
        match rng.choices(list(AGAIN), list(AGAIN.values()))[0]:
            case "content":
                command["description"] = f"other {rng.randint(0, 2)}"
                if isinstance(command.get("metadata"), dict):
                    command["metadata"] = {**command["metadata"], "description": None}
            case "number":
                command["metadata"] = {"big": BIG + rng.randint(0, 1)}
                command.pop("reference_id", None)
            case "key":
                key = self.idempotency_key(0.7)
            case "user":
                command["user"] = self.spelling(command["user"])
            case "tie":  # another command of this key within the same second
                command["user_status"] = rng.choice(["add", "block", "reset", "enter", "leave"])
                command["reference_id"] = f"tie-{rng.getrandbits(40)}"
                command.pop("expires_at", None)
                command.pop("metadata", None)
                command.setdefault("status_change_timestamp", self.instant)
                key = None
            case "elsewhere":
                command["segment_id"] = rng.randint(1, max(1, self.segments - 1))
        return command, key

    def idempotency_key(self, share: float = 0.08) -> bytes | None:
        if self.rng.random() >= share:
            return None
        if self.rng.random() < 0.5:
            return f"~ key {self.rng.randint(0, 30)}".encode()
        return f"{self.rng.getrandbits(64):x}".encode()

    def spelling(self, user: str) -> str:
        """Spell an email in another way that means the same."""
        if "@" not in user:
            return user
        if self.rng.random() < 0.3:
            user = ascii_upper(user)
        return self.rng.choice([user, user, f" {user}", f"\t{user}\r\n"])

    def sent(self, number: int, command: Command, idempotency: bytes | None) -> Sent:
        rng = self.rng
        key = f"{command['network_id']}:{normalise_user(command['user'])}".encode()
        lane = sum(key) % self.lanes
        if rng.random() < 0.15:  # another client's partitioner
            lane = rng.randrange(self.lanes)
        headers: list[tuple[str, bytes | None]] = []
        if idempotency is not None:
            headers.append(("idempotency-key", idempotency))
        if rng.random() < 0.1:
            headers.append(rng.choice([("traceparent", b"\xff\x00"), ("x", None), ("", b"")]))
        if rng.random() < 0.1:
            key = rng.choice([b"", b"\xff\x00", b"elsewhere"])
        return Sent(
            number,
            lane,
            key if rng.random() < 0.95 else None,
            spelled(command, rng),
            tuple(headers),
        )

    def broken(self, number: int) -> Sent:
        rng = self.rng
        command = self.command()
        command.pop("expires_at", None)
        label, change = rng.choice(BROKEN)
        altered = change(Scene(command, rng, self.now, self.segments))
        sent = self.sent(number, command, None)
        value = spelled(altered, rng) if isinstance(altered, dict) else altered
        return replace(sent, value=value, label=label)


def ascii_upper(user: str) -> str:
    return "".join(letter.upper() if letter.isascii() else letter for letter in user)
