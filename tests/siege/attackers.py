"""The attacks of a phase, in a process of their own: started, waited for, ended."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.siege.hostile.__main__ import STARTED
from tests.support.roles import environment

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Awaitable

    from tests.siege.hostile.target import Target
    from tests.siege.plan import Phase
    from tests.siege.site import Site

    Tallies = dict[str, dict[str, int]]

START_SECONDS = END_SECONDS = 600.0
"""Far more than a process takes to start, and to end, on a busy machine."""


@asynccontextmanager
async def attacking(
    site: Site, phase: Phase, target: Target
) -> AsyncIterator[Awaitable[tuple[Tallies, list[str]]]]:
    """Run a phase's attacks from the begin of the block on; gives what ends with them.

    That is the tally of each, and their own faults.
    """
    if not phase.attacks:
        yield _quiet(phase.seconds)
        return
    # A session of its own: Linux may share processor time out among sessions first, and then within each.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.siege.hostile", *phase.attacks,
        env=environment(site.settings), start_new_session=True,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(target.as_dict()).encode() + b"\n")
        output = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        if output.decode().strip() != STARTED:
            errors = await _errors(process)
            raise AssertionError(f"the attacks of {phase.name} did not start: {errors}")
        yield _ended(process, phase)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _quiet(seconds: float) -> tuple[Tallies, list[str]]:
    await asyncio.sleep(seconds)
    return {}, []


async def _ended(process: Process, phase: Phase) -> tuple[Tallies, list[str]]:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(phase.seconds + END_SECONDS):
            # Both at once: who writes more than a pipe holds waits for the reader.
            output, errors = await asyncio.gather(process.stdout.read(), _errors(process))
            code = await process.wait()
    except TimeoutError:
        return {}, [f"the attacks of {phase.name} did not end in time"]
    if code != 0:
        return {}, [f"the attacks of {phase.name} failed by themselves: {errors}"]
    return json.loads(output), []


async def _errors(process: Process) -> str:
    assert process.stderr is not None
    return (await process.stderr.read()).decode()[-2000:]
