"""Floods of requests: with a good key, a bad one, none; dry runs, large answers, waits."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

from tests.siege.hostile.target import BAD, HOT, LARGE, attacks
from tests.siege.hostile.wire import command, repeat, request

if TYPE_CHECKING:
    from tests.siege.hostile.target import Siege

POST = f"/networks/{BAD}/segments"
MEMBERS = f"{POST}/{LARGE}/members"
_NOW = int(time.time())


def _dated(siege: Siege, **fields: object) -> bytes:
    fields = {"status_change_timestamp": _NOW - siege.rng.randrange(10**6)} | fields
    return command(siege, reference_id=f"r{siege.rng.getrandbits(40)}", **fields)


@attacks(201, 429, 503)
async def posts(siege: Siege) -> None:
    """Commands one by one, from many clients; paced, for each that is taken must be compared with the oracle."""
    key = siege.target.key
    await repeat(siege, lambda: request("POST", POST, _dated(siege), key), 32, pause=0.1)


@attacks(200, 429, 503)
async def reads(siege: Siege) -> None:
    """Pages, sizes and results, as fast as they come."""
    paths = (
        f"/networks/{BAD}/sizes",
        f"{MEMBERS}?limit=1000",
        f"/networks/{BAD}/results?reference_id=r1",
        f"/networks/{BAD}/admin/segments",
    )
    key = siege.target.key
    await repeat(siege, lambda: request("GET", siege.rng.choice(paths), key=key), 32)


@attacks(200, 429, 503)
async def as_of(siege: Siege) -> None:
    """Pages of a large segment as it was, on both clocks."""
    key = siege.target.key
    path = f"{MEMBERS}?as_of=2020-01-01T00:00:00Z&known_at=2090-01-01T00:00:00Z&limit=1000"
    await repeat(siege, lambda: request("GET", path, key=key), 16)


@attacks(207, 429, 503)
async def batches(siege: Siege) -> None:
    """Batches of a thousand, nearly all of it refused."""

    def make() -> bytes:
        items = [json.loads(_dated(siege))] + [{"user": "u", "segment_id": "x"}] * 999
        return request("POST", f"{POST}/batch", json.dumps(items).encode(), siege.target.key)

    await repeat(siege, make, 8, pause=0.05)


@attacks(200, 429, 503)
async def dry_runs(siege: Siege) -> None:
    """Dry runs on a key with many events."""
    key = siege.target.key
    path = f"{POST}?dry_run=true"
    await repeat(
        siege, lambda: request("POST", path, _dated(siege, user="hot", segment_id=HOT), key), 8
    )


@attacks(200, 429, 503)
async def explains(siege: Siege) -> None:
    """Asks why the user of many events is where they are."""
    path = f"{POST}/{HOT}/explanation?user=hot"
    await repeat(siege, lambda: request("GET", path, key=siege.target.key), 4)


@attacks(401)
async def bad_keys(siege: Siege) -> None:
    """Keys that do not exist, are no keys, or are not there at all."""

    def make() -> bytes:
        chance = siege.rng.random()
        key = None if chance < 0.2 else f"segk_{siege.rng.getrandbits(48):x}_{'x' * 43}"
        if chance > 0.8:
            key = "x" * siege.rng.randrange(1, 4000)
        return request("POST", POST, command(siege), key)

    await repeat(siege, make, 16)


@attacks(200, 202, 429, 503)
async def waits(siege: Siege) -> None:
    """Commands whose senders wait for the outcome, half of them of the key with many events."""

    def make() -> bytes:
        hot = {"user": "hot", "segment_id": HOT} if siege.rng.random() < 0.5 else {}
        return request("POST", POST, _dated(siege, **hot), siege.target.key, Prefer="wait=20")

    await repeat(siege, make, 32, pause=0.2)


@attacks(400, 413, 429, 503)
async def large_bodies(siege: Siege) -> None:
    """Bodies as large as a batch may be, and larger: of white space, of numbers, of empty lines, of brackets."""
    sizes = (4 * 2**20 - 100, 5 * 2**20, 64 * 2**10 + 1)
    kinds = ((b" ", b""), (b"1,", b"["), (b"\n", b""), (b"[],", b"["), (b"[],", b"[[x,"))

    def make() -> bytes:
        part, begin = siege.rng.choice(kinds)
        body = begin + part * ((siege.rng.choice(sizes) - len(begin)) // len(part))
        content = "application/x-ndjson" if part == b"\n" else "application/json"
        return request("POST", f"{POST}/batch", body, siege.target.key, Content_Type=content)

    await asyncio.sleep(0)
    await repeat(siege, make, 16, pause=0.1)
