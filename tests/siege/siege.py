"""One siege from its begin to its report."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.siege.attackers import attacking
from tests.siege.failovers import befall
from tests.siege.good import EACH_SECOND, Good
from tests.siege.guarantees import check_guarantees
from tests.siege.memory import peaks, watch
from tests.siege.report import Report
from tests.siege.site import furnish, site
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.siege.plan import Phase, Plan
    from tests.siege.site import Site


async def besiege(plan: Plan, say: Callable[[str], None] = lambda _: None) -> Report:
    """Run a plan; say: is told how far it is."""
    report = Report(plan.seed, plan.attackers_give_way)
    async with site() as besieged:
        now = ["before"]
        watching = asyncio.ensure_future(watch(besieged.watched, lambda: now[-1]))
        say("filling the hostile network's segments")
        await furnish(besieged, plan.members, plan.events)
        good = Good(besieged)
        running = asyncio.ensure_future(good.run())
        try:
            for phase in plan.phases:
                say(f"{phase.name}: {phase.seconds:.0f} s")
                now.append(phase.name)
                await _phase(besieged, good, phase, plan, report)
                say(f"{phase.name}: {peaks(besieged.watched, phase.name)}")
                report.faults += besieged.ended()
                if running.done():
                    running.result()
                if phase.failovers:
                    report.faults += await _goes_on(good)
        finally:
            running.cancel()
            await asyncio.wait([running])
        say("checking the guarantees")
        now.append("the guarantees")
        report.figures = good.figures.all()
        report.guarantees = await check_guarantees(besieged, good)
        watching.cancel()
        report.memory = besieged.watched
    return report


async def _phase(site: Site, good: Good, phase: Phase, plan: Plan, report: Report) -> None:
    target = site.target(plan.seed, phase.seconds, gives_way=plan.attackers_give_way)
    async with attacking(site, phase, target) as ended:
        good.figures.begin()
        if phase.failovers:
            report.happened += await befall(site, phase.failovers, plan.seed, phase.seconds)
        tally, faults = await ended
    good.figures.end(phase.name, is_checked=phase.is_checked)
    report.tallies[phase.name] = tally
    report.faults += faults


async def _goes_on(good: Good) -> list[str]:
    """Wait until the good network has done everything once more; gives what it has not."""
    before = dict(good.figures.done)
    acts = tuple(EACH_SECOND)
    try:
        await holds(
            lambda: all(good.figures.done[act] > before.get(act, 0) for act in acts), 2 * PATIENCE
        )
    except TimeoutError:
        stuck = [act for act in acts if good.figures.done[act] == before.get(act, 0)]
        return [f"after the failovers it does not go on: {', '.join(stuck)}"]
    return []
