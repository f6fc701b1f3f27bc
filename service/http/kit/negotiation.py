"""Content negotiation by the Accept header."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Header

from service.http.kit.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON = "application/json"
_WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")

Accept = Annotated[str | None, Header(include_in_schema=False)]


def negotiate(accept: str | None, kinds: Sequence[str] = (JSON,)) -> str:
    """Choose among media types by an Accept header (RFC 9110, section 12.5.1); the first of those preferred alike.

    Raises: Problem 406.
    """
    if not accept or not accept.strip():
        return kinds[0]
    wanted: dict[str, float] = {}
    for one in accept.split(","):
        name, *parameters = (part.strip().lower() for part in one.split(";"))
        weights = [part[2:] for part in parameters if part.startswith("q=")]
        wanted[name] = _weight(weights[0]) if weights else 1.0

    def weight(kind: str) -> float:
        # The ranges that match it, the most specific first.
        ranges = (kind, f"{kind.partition('/')[0]}/*", "*/*")
        return next((wanted[name] for name in ranges if name in wanted), 0.0)

    best = max(kinds, key=weight)
    if weight(best) <= 0:
        raise Problem(406, "not_acceptable", f"available: {', '.join(kinds)}")
    return best


def _weight(text: str) -> float:
    return float(text) if _WEIGHT.fullmatch(text) else 0.0


def _takes_json(accept: Accept = None) -> None:
    """Refuse a client that does not accept JSON. Raises: Problem 406."""
    negotiate(accept)


# A dependency for reads that answer in JSON only. List it after the admission, so that 401 and 403 come first.
takes_json: Any = Depends(_takes_json)
