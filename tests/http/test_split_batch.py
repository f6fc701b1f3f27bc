"""A batch is split into at most as many items as it may hold, whatever its body is made of."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress

import pytest

from service.http.kit.problems import Problem
from service.http.publishing.body import MAX_ITEMS, split_batch

MIB = 2**20
HALF = MIB // 2


@pytest.mark.parametrize(
    ("body", "is_lines"),
    [
        (b"[" + b"1," * HALF + b"1]", False),
        (b"[" + b"1," * HALF + b"x]", False),
        (b"x\n" * HALF, True),
        (b"\n" * MIB, True),
        (b" \n" * HALF + b"x", True),
        (b"[" + b"[]," * 300_000 + b"x]", False),
        (b"[[" + b"[]," * 300_000 + b"x]]", False),
    ],
    ids=["numbers", "numbers and no JSON", "lines", "blank lines", "blank lines, then one", "arrays", "one of arrays"],
)  # fmt: skip
def test_a_body_of_many_little_parts_takes_little_more_memory_than_itself(
    body: bytes,
    is_lines: bool,  # noqa: FBT001 - as pytest gives it
) -> None:
    tracemalloc.start()
    with suppress(Problem):
        split_batch(body, is_lines=is_lines)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MIB


def test_an_item_more_than_allowed_refuses_the_batch_and_one_less_does_not() -> None:
    for broken in (False, True):
        items = [b"x" if broken else b"null"] + [b"1"] * (MAX_ITEMS - 1)
        assert [
            item.value for item in split_batch(b"[" + b",".join(items) + b"]", is_lines=False)
        ] == items
        assert [item.value for item in split_batch(b"\n".join(items), is_lines=True)] == items
        for body, is_lines in (
            (b"[" + b",".join([*items, b"1"]) + b"]", False),
            (b"\n".join([*items, b"1"]), True),
        ):
            with pytest.raises(Problem, match="more than 1000"):
                split_batch(body, is_lines=is_lines)


def test_lines_keep_their_numbers_and_what_stands_before_and_after_them() -> None:
    items = split_batch(b"\n a\r\n\n  \nb \n\t\nc", is_lines=True)
    assert [(item.line, item.value) for item in items] == [(2, b" a\r"), (5, b"b "), (7, b"c")]
