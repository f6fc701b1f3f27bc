"""Processes of this version and of the one before it run side by side on one database, after the new `setup`."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from typing import TYPE_CHECKING

import httpx
import pytest

from service.registry.api_keys import Scope, create_key
from stack.ports import free_port
from tests.docs.generated import ROOT
from tests.support.database import connected, folded, make_segments, rows, sound
from tests.support.kafka import NewRecord, publish
from tests.support.posting import post_until_sent
from tests.support.roles import command_line, processes
from tests.support.template import settings_on
from tests.support.topics import members
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from service.runtime.settings import Settings
    from stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.fault]
PACKAGES = ("schemas", "service", "projections", "segments", "stack", "examples")
# What the next version may add: old processes neither read nor write it.
EXPANSION = "ALTER TABLE segments.segment ADD COLUMN colour text;\n"
MEMBERS = "SELECT user_id FROM reporting.user_segment WHERE network_id = 'n' AND is_member"


def git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def previous_version() -> str:
    """Return the commit of the version before this one, or skip: the newest release.

    Before the first release, when migrations are still edited, it is the earliest commit that has the present ones.
    """
    if tag := git("describe", "--tags", "--abbrev=0", "--match=v*"):
        return tag
    if git("status", "--porcelain", "--", "schemas/migrations"):
        pytest.skip("the migrations are being edited: no earlier commit has them")
    commit = git("log", "--first-parent", "-1", "--format=%H", "--", "schemas/migrations")
    if not commit or git("rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("the history with the version before this one is not here")
    return commit


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of the version before this one."""
    folder = tmp_path_factory.mktemp("old")
    archive = folder / "old.tar"
    commit = previous_version()
    subprocess.check_call(["git", "archive", "-o", archive, commit, *PACKAGES], cwd=ROOT)
    subprocess.check_call(["tar", "-x", "-f", archive, "-C", folder])
    return folder


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of this version, and a migration that expands what is there."""
    folder = tmp_path_factory.mktemp("new")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package)
    (folder / "schemas" / "migrations" / "9999_colour.sql").write_text(EXPANSION)
    return folder


@pytest.fixture
async def empty(stack: Stack, database: Settings) -> AsyncIterator[Settings]:
    """Settings with a database that nobody has set up."""
    name = f"upgrade_{uuid.uuid4().hex[:12]}"
    await rows(database, f"CREATE DATABASE {name}")
    yield settings_on(stack, name, name)
    await rows(database, f"DROP DATABASE {name} WITH (FORCE)")


def done_by(code: Path, settings: Settings, *arguments: str) -> str:
    done = command_line(settings, *arguments, code=code)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_both_versions_work_side_by_side_and_the_old_one_goes_on_alone(
    empty: Settings, old: Path, new: Path
) -> None:
    done_by(old, empty, "setup")
    await make_segments(empty)
    async with connected(empty) as connection:
        key = (await create_key(connection, network_id="n", scopes={Scope.PUBLISH}))[1]
    ports = [free_port(), free_port()]
    before, after = (empty.model_copy(update={"http_port": port}) for port in ports)
    sent: set[str] = set()

    async def send(label: str, *apis: int) -> None:
        """Publish on each lane, and by each API; wait until the views have it."""
        users = [f"{label}{n}" for n in range(40)]
        await publish(empty, [NewRecord(lane=n % 4, user=user) for n, user in enumerate(users)])
        async with httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE
        ) as client:
            for port in apis:
                users.append(f"{label}-{port}")
                response = await post_until_sent(
                    client,
                    f"http://127.0.0.1:{port}/networks/n/segments",
                    json={"user": users[-1], "segment_id": 1, "user_status": "add"},
                )
                assert response.status_code == 201, response.text
        sent.update(users)
        await folded(empty)
        assert {row["user_id"] for row in await rows(empty, MEMBERS)} == sent

    with processes(before, "ingest", "project", "api", code=old) as olds:
        await olds[0].wait_for_output("lanes assigned")
        await olds[2].wait_for_output("serving")
        await send("before", ports[0])
        assert "applied 9999_colour" in done_by(new, empty, "setup")
        await send("after-setup", ports[0])
        with processes(after, "ingest", "project", "api", code=new) as news:
            await news[0].wait_for_output("lanes assigned")
            await news[2].wait_for_output("serving")
            await holds(lambda: _are_two(empty))
            await send("both", *ports)
            assert [one.running for one in (*olds, *news)] == [True] * 6
            for one in news:
                assert one.stop()[0] == 0
        await send("old-again", ports[0])
        for one in olds:
            code, output = one.stop()
            assert code == 0, output
            assert "Traceback" not in output
    await sound(empty)
    done_by(old, empty, "verify")


async def _are_two(settings: Settings) -> bool:
    return len(await members(settings)) == 2
