"""When two JSON values are the same."""

from decimal import Decimal
from typing import Any


def canonical(value: Any) -> Any:
    """Something hashable, equal for equal JSON values: 1.0 is 1, true is not, order of keys no."""
    match value:
        case None | bool() | str():
            return (type(value).__name__, value)
        case int() | float() | Decimal():
            return ("number", Decimal(value))
        case dict():
            return ("object", frozenset((name, canonical(inner)) for name, inner in value.items()))
        case list() | tuple():
            return ("array", tuple(map(canonical, value)))
        case _:
            raise TypeError(f"not a JSON value: {value!r}")
