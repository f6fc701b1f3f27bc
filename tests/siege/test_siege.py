"""The short form of the siege, so that it does not rot: guarantees and memory are checked; rates take the long form."""

from __future__ import annotations

import pytest

from tests.siege.failovers import FAILOVERS
from tests.siege.plan import AFTER, ALONE, TOGETHER, Phase, Plan, all_attacks
from tests.siege.plan import FAILOVERS as BEFALL
from tests.siege.siege import besiege

pytestmark = [pytest.mark.stack, pytest.mark.fault]
NOT_YET: frozenset[str] = frozenset()
"""Attacks and failovers that the service does not withstand yet."""


async def test_every_attack_beside_a_good_network_breaks_no_guarantee() -> None:
    attacks = tuple(name for name in all_attacks() if name not in NOT_YET)
    failovers = tuple(name for name in FAILOVERS if name not in NOT_YET)
    plan = Plan(
        (
            Phase(ALONE, 3),
            Phase(TOGETHER, 15, attacks),
            Phase(BEFALL, 10, attacks, failovers, is_checked=False),
            Phase(AFTER, 3),
        ),
        seed=1,
        members=500,
        events=500,
        attackers_give_way=False,
    )
    report = await besiege(plan)
    assert report.broken(check_figures=False) == [], report.text()
    assert set(report.tallies[TOGETHER]) == set(attacks)
