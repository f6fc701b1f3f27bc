"""Sizes of generated loads: `make test` takes the short one, `make chaos` the long one."""

from __future__ import annotations

import pytest


def short_and_long(name: str, short: int, long: int) -> pytest.MarkDecorator:
    """Run a test with argument `name` set to `short`, and in `make chaos` to `long`."""
    return pytest.mark.parametrize(name, [short, pytest.param(long, marks=pytest.mark.chaos)])
