"""One siege from its begin to its report."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from tests.siege.failovers import befall
from tests.siege.good import EACH_SECOND, Good
from tests.siege.laws import check_laws
from tests.siege.memory import watch
from tests.siege.report import Report
from tests.siege.site import furnish, site
from tests.support.roles import environment
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.siege.plan import Phase, Plan
    from tests.siege.site import Site

END_SECONDS = 600.0
"""Far more than a process takes to start and to end on a busy machine."""


async def besiege(plan: Plan, say: Callable[[str], None] = lambda _: None) -> Report:
    """Run a plan; say: is told how far it is."""
    report = Report(plan.seed)
    async with site() as besieged:
        watching = asyncio.ensure_future(watch(besieged.watched))
        say("filling the hostile network's segments")
        await furnish(besieged, plan.members, plan.events)
        good = Good(besieged)
        running = asyncio.ensure_future(good.run())
        try:
            for phase in plan.phases:
                say(f"{phase.name}: {phase.seconds:.0f} s")
                await _phase(besieged, good, phase, plan.seed, report)
                report.faults += besieged.ended()
                if running.done():
                    running.result()
                if phase.failovers:
                    report.faults += await _goes_on(good)
        finally:
            running.cancel()
            await asyncio.wait([running])
        say("checking the laws")
        report.figures = good.figures.all()
        report.laws = await check_laws(besieged, good)
        watching.cancel()
        report.memory = besieged.watched
    return report


async def _phase(site: Site, good: Good, phase: Phase, seed: int, report: Report) -> None:
    good.figures.begin()
    enemies = asyncio.ensure_future(_attack(site, phase, seed))
    try:
        if phase.failovers:
            report.happened += await befall(site, phase.failovers, seed, phase.seconds)
        tally, fault = await enemies
    finally:
        enemies.cancel()
    good.figures.end(phase.name, is_judged=phase.is_judged)
    report.tallies[phase.name] = tally
    report.faults += fault


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


async def _attack(
    site: Site, phase: Phase, seed: int
) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Run a phase's attacks in a process of their own; gives the tally of each, and its own faults."""
    if not phase.attacks:
        await asyncio.sleep(phase.seconds)
        return {}, []
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.siege.hostile", *phase.attacks,
        env=environment(site.settings),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        target = site.target(seed, phase.seconds).as_dict()
        process.stdin.write(json.dumps(target).encode() + b"\n")
        async with asyncio.timeout(phase.seconds + END_SECONDS):
            said = (await process.stdout.read()).decode()
            errors = (await process.stderr.read()).decode()
            code = await process.wait()
    except TimeoutError:
        return {}, [f"the attacks of {phase.name} did not end in time"]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        return {}, [f"the attacks of {phase.name} failed by themselves: {errors[-2000:]}"]
    return json.loads(said), []
