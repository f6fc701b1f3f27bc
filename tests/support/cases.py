"""Runs a test for many cases on one setup, where a database and an API for each would take most of the time."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    import pytest

    Test = Callable[..., Awaitable[None]]


def cases(names: str | Sequence[str], values: Iterable[Any]) -> Callable[[Test], Test]:
    """Run an async test for each case as a subtest, with the same fixtures; as `pytest.mark.parametrize` otherwise.

    For cases that change nothing that another one reads. All of them run, even if some fail.
    """
    several = [names] if isinstance(names, str) else list(names)
    arguments = [
        dict(zip(several, [value] if isinstance(names, str) else value, strict=True))
        for value in values
    ]

    def decorate(test: Test) -> Test:
        @wraps(test)
        async def run_each(subtests: pytest.Subtests, **fixtures: Any) -> None:
            for case in arguments:
                with subtests.test(**{name: repr(value)[:100] for name, value in case.items()}):
                    await test(**fixtures, **case)

        signature = inspect.signature(test)
        fixtures = [each for name, each in signature.parameters.items() if name not in several]
        own = inspect.Parameter("subtests", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        run_each.__signature__ = signature.replace(parameters=[own, *fixtures])  # type: ignore[attr-defined]
        return run_each

    return decorate
