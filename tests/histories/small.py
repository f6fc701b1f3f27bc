"""Short histories, for every permutation of them."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.histories.delivery import NAMED, Sent

Command = dict[str, Any]


@st.composite
def small_histories(
    draw: st.DrawFn,
    now: int,
    *,
    most: int = 8,
    lanes: int = 2,
    keys: int = 2,
    distinct: bool = False,
) -> list[Sent]:
    """Draw up to eight commands of one or two keys, over `registry(1, 2)`, for permutations.

    distinct: all times given, no two alike, one lane, no idempotency-key: then nothing is left
    for arrival to decide. Some are expires (signed with anything: the model accepts all).
    """
    count = draw(st.integers(1, most))
    instants = st.integers(now - 5, now + 5) if not distinct else st.nothing()
    times: list[int | None] = (
        [now - 20 + place for place in draw(st.permutations(range(count)))]
        if distinct
        else draw(st.lists(st.none() | instants, min_size=count, max_size=count))
    )
    history: list[Sent] = []
    overrides: dict[int, Command] = {}
    for number, time in enumerate(times):
        names = draw(st.none() | st.sampled_from(sorted(overrides))) if overrides else None
        user = f"user-{draw(st.integers(0, keys - 1))}"
        command: Command = {"network_id": "acme", "user": user, "segment_id": 1}
        headers: list[tuple[str, bytes | None]] = []
        if names is not None and time is not None:
            command |= {
                "user": overrides[names]["user"],
                "user_status": "expire",
                "reference_id": f"expire:{NAMED.decode()}",
            }
            headers += [("segments-source", b"expiry"), ("segments-signature", b"any")]
        else:
            names = None
            command["user_status"] = draw(
                st.sampled_from(["add", "block", "reset", "enter", "leave"])
            )
            command["reference_id"] = draw(st.sampled_from([None, "spring"]))
            if command["user_status"] in {"add", "block"}:
                overrides[number] = command
                command["expires_at"] = draw(st.sampled_from([None, now + 60, now + 90]))
            if not distinct and draw(st.booleans()):
                headers.append(("idempotency-key", draw(st.sampled_from([b"k1", b"k2"]))))
        command["status_change_timestamp"] = time
        lane = 0 if distinct else draw(st.integers(0, lanes - 1))
        key = f"acme:{user}".encode()
        value = json.dumps({name: told for name, told in command.items() if told is not None})
        history.append(Sent(number, lane, key, value.encode(), tuple(headers), names=names))
    return history
