"""What comes back from the process that attacks."""

from __future__ import annotations

import asyncio
import sys
from subprocess import PIPE

from tests.siege.attackers import _ended
from tests.siege.plan import Phase

WRITES_MUCH = (
    "import sys; sys.stderr.write('x' * 1_000_000); print('{\"posts\": {\"answered 201\": 1}}')"
)


async def test_attackers_that_write_more_errors_than_a_pipe_holds_come_to_their_end() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITES_MUCH, stdout=PIPE, stderr=PIPE
    )
    try:
        ended = await asyncio.wait_for(_ended(process, Phase("posts", 1)), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert ended == ({"posts": {"answered 201": 1}}, [])
