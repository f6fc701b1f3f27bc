"""Every kind of attack, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.siege.hostile import connections, queries, records, registry, requests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.siege.hostile.target import Attack

KINDS: Mapping[str, Attack] = {
    attack.name: attack
    for attack in (
        requests.posts, requests.reads, requests.as_of, requests.batches, requests.dry_runs,
        requests.explains, requests.bad_keys, requests.waits, requests.large_bodies,
        records.garbage, records.odd_headers, records.keys, records.conflicts, records.late,
        records.claims, records.bombs, records.replays,
        registry.patches, registry.segments,
        connections.slow_heads, connections.slow_bodies, connections.idle, connections.trailers,
        connections.upgrades, connections.unread,
        queries.locks, queries.long_queries, queries.peeks,
    )
}  # fmt: skip
