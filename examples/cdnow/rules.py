"""A small rule engine, as an upstream service might have: from purchases to outcomes.

It processes the days once, in order, without the manual overrides. A *visit* is a day on which a customer bought,
however often. A visit on the day that a customer would become quiet comes first: the customer is not quiet then.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from examples.cdnow.data import Purchase
from examples.cdnow.vocabulary import (
    CHURN_QUIET_DAYS,
    CHURNED,
    LAST_DAY,
    POWER_QUIET_DAYS,
    POWER_USER,
    POWER_VISITS,
    POWER_WINDOW_DAYS,
    REPEAT_BUYER,
    moment,
)


class Outcome(NamedTuple):
    """One outcome of automation for one customer and segment."""

    customer: str
    segment_id: int
    user_status: str
    """`enter` or `leave`."""
    at: int
    """When it happened: Unix seconds, UTC."""
    metadata: dict[str, float]
    """visits, purchases, cds, dollars: the customer's totals up to then."""
    reference_id: str
    """`cdnow:<segment>:<customer>:<n>`, n counting from 1 for each customer and segment."""


@dataclass(slots=True)
class _Customer:
    """The engine's state of one customer."""

    name: str
    visits: list[dt.date] = field(default_factory=list)
    purchases: int = 0
    cds: int = 0
    cents: int = 0
    inside: set[int] = field(default_factory=set)
    stated: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))

    def state(self, segment_id: int, user_status: str, day: dt.date) -> Outcome:
        """Enter or leave a segment, and return the outcome."""
        change = self.inside.add if user_status == "enter" else self.inside.remove
        change(segment_id)
        self.stated[segment_id] += 1
        return Outcome(
            self.name,
            segment_id,
            user_status,
            moment(self.name, day),
            {
                "visits": len(self.visits),
                "purchases": self.purchases,
                "cds": self.cds,
                "dollars": self.cents / 100,
            },
            f"cdnow:{segment_id}:{self.name}:{self.stated[segment_id]}",
        )


def outcomes(purchases: Iterable[Purchase]) -> Iterator[Outcome]:
    """Yield every outcome until LAST_DAY in chronological order; no two of one key in one second.

    Pure: the same purchases, in any order, give the same outcomes.
    """
    bought: defaultdict[dt.date, list[Purchase]] = defaultdict(list)
    for purchase in purchases:
        bought[purchase.day].append(purchase)
    customers: dict[str, _Customer] = {}
    visitors: dict[dt.date, set[str]] = {}
    day = min(bought, default=LAST_DAY)
    while day <= LAST_DAY:
        for purchase in bought[day]:
            _buy(customers.setdefault(purchase.customer, _Customer(purchase.customer)), purchase)
        visitors[day] = {purchase.customer for purchase in bought[day]}
        spoken = [o for name in visitors[day] for o in _visited(customers[name])]
        for quiet, segment_id in ((POWER_QUIET_DAYS, POWER_USER), (CHURN_QUIET_DAYS, CHURNED)):
            since = day - dt.timedelta(quiet)
            silent = (customers[name] for name in visitors.get(since, ()))
            spoken += [
                o for c in silent if c.visits[-1] == since for o in _quiet(c, segment_id, day)
            ]
        yield from sorted(spoken, key=lambda o: (o.at, o.customer, o.segment_id))
        day += dt.timedelta(1)


def _buy(customer: _Customer, purchase: Purchase) -> None:
    """Add one purchase to a customer's totals."""
    if not customer.visits or customer.visits[-1] != purchase.day:
        customer.visits.append(purchase.day)
    customer.purchases += 1
    customer.cds += purchase.cds
    customer.cents += purchase.cents


def _visited(customer: _Customer) -> Iterator[Outcome]:
    """Yield the outcomes of today's visit, the last of `visits`."""
    today = customer.visits[-1]
    if CHURNED in customer.inside:
        yield customer.state(CHURNED, "leave", today)
    if len(customer.visits) == 2:
        yield customer.state(REPEAT_BUYER, "enter", today)
    lately = customer.visits[-POWER_VISITS:]
    close = today - lately[0] < dt.timedelta(POWER_WINDOW_DAYS)
    if len(lately) == POWER_VISITS and close and POWER_USER not in customer.inside:
        yield customer.state(POWER_USER, "enter", today)


def _quiet(customer: _Customer, segment_id: int, today: dt.date) -> Iterator[Outcome]:
    """Yield the outcome of being quiet until today, in that segment."""
    if segment_id == CHURNED:
        yield customer.state(CHURNED, "enter", today)
    elif POWER_USER in customer.inside:
        yield customer.state(POWER_USER, "leave", today)
