"""`make run` on the test's own servers: it shows what the file says, and leaves nothing running."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from examples.cdnow import NETWORK, PINNED, expected, load
from tests.support.database import rows, sound, until
from tests.support.roles import environment

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


def run(settings: Settings) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.cdnow", "--once"],
        env=environment(settings), capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip


async def outcomes(settings: Settings) -> dict[str, int]:
    found = await rows(
        settings,
        "SELECT coalesce(reason, CASE WHEN outcome = 'duplicate' THEN 'duplicate' ELSE 'event' END)"
        " AS outcome, count(*) FROM reporting.result GROUP BY 1",
    )
    return {row["outcome"]: row["count"] for row in found}


async def test_the_purchases_give_what_direct_counting_of_the_file_says(
    database: Settings,
) -> None:
    done = run(database)
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = expected(load())
    assert await outcomes(database) == {
        "event": wanted.events,
        "duplicate": wanted.duplicates,
        **wanted.rejected,
    }
    sizes = await rows(database, "SELECT * FROM reporting.segment_size")
    assert {row["segment_id"]: row["members"] for row in sizes} == wanted.members
    assert {row["segment_id"]: row["added"] for row in sizes} == wanted.added
    assert {row["segment_id"]: row["blocked"] for row in sizes} == wanted.blocked
    for moment, members in wanted.members_as_of.items():
        then = await rows(
            database,
            "SELECT segment_id, count(*) FILTER (WHERE is_member) AS members"
            " FROM reporting.membership_as_of($1, network_id => $2) GROUP BY segment_id",
            moment,
            NETWORK,
        )
        assert {row["segment_id"]: row["members"] for row in then} == members
    await sound(database)
    # what a person is told
    assert "every count agrees with the file" in done.stdout
    assert f"{wanted.events:,}" in done.stdout
    assert PINNED in done.stdout
    assert "reporting.watermark" in done.stdout
    assert re.search(r"curl -s 'http://127.0.0.1:\d+/networks/cdnow/segments'", done.stdout)
    assert re.search(r"^export API='http://127.0.0.1:\d+'$", done.stdout, re.MULTILINE)
    assert re.search(r"^export KEY='segk_\w+_[\w-]+'$", done.stdout, re.MULTILINE)
    assert "Everything that was started here is stopped" in done.stdout
    assert re.search(r"dry_run=true it returns: {.*\"outcome\":\"applied\"", done.stdout)
    # nothing was left running
    await until(
        database,
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        lambda sessions: sessions == 0,
    )


def test_a_run_in_the_background_of_a_script_ends_on_sigint(database: Settings) -> None:
    """A shell without job control starts it with SIGINT ignored."""
    with subprocess.Popen(
        ["/bin/sh", "-c", 'trap "" INT; exec "$0" -m examples.cdnow --once', sys.executable],
        env=environment(database), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        try:
            assert "reading the CDNOW purchases" in running.stdout.readline()
            running.send_signal(signal.SIGINT)
            told, _ = running.communicate(timeout=300)
        finally:
            running.kill()
    assert (running.returncode, told.splitlines()[-1]) == (0, "Stopped.")
