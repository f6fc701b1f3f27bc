"""`import` that is interrupted or killed goes on where it was, and says so."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from service.ingest.role import ingest
from service.kafka.clients import cluster_id, set_up_topics
from tests.support.command_line import import_line, run
from tests.support.database import until, value
from tests.support.roles import environment, service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
# From within: on a busy machine an import could be over before anybody else has seen its first note.
_ENDED = """
import os, signal, sys
from segments.cli import main
from segments.importing import files
signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's background job ignores it
number, note = int(sys.argv.pop(1)), files.Progress.note
def note_and_end(*arguments):
    note(*arguments)
    os.kill(os.getpid(), number)
files.Progress.note = note_and_end
main()
"""


async def test_an_import_that_is_interrupted_says_how_far_it_came_and_where_that_is_noted(
    ready: Settings, tmp_path: Path
) -> None:
    path, count = tmp_path / "many.ndjson", 20_000
    path.write_text(
        import_line("wrong", extra=1) + "".join(import_line(f"u{n}") for n in range(count)),
        encoding="utf-8",
    )
    progress = Path(f"{path}.progress")
    code, err = await asyncio.to_thread(
        _end_at_first_note, signal.SIGINT, ready, path, "--network", "n"
    )
    assert code == 1, err
    noted = json.loads(progress.read_text(encoding="utf-8"))  # noqa: ASYNC240 - a small file
    published = noted["done"]["published"]
    assert (
        f"Interrupted: {published} lines published, 1 refused, up to line {noted['line']}, as stored in {progress}."
        " The same command resumes after it"
    ) in err
    done = await run(ready, "import", str(path), "--network", "n", "--json")
    assert (done.json["published_before_interruption"], done.json["published"]) == (
        published, count - published,
    )  # fmt: skip


async def test_an_import_that_was_killed_goes_on_and_counts_nothing_twice(
    ready: Settings, tmp_path: Path
) -> None:
    path, count = tmp_path / "many.ndjson", 6_000
    line = {"network_id": "n", "segment_id": 1, "user_status": "enter"}
    path.write_text(
        "".join(json.dumps(line | {"user": f"u{n}"}) + "\n" for n in range(count)), encoding="utf-8"
    )
    progress = Path(f"{path}.progress")
    await asyncio.to_thread(_end_at_first_note, signal.SIGKILL, ready, path, "--json")
    noted = json.loads(progress.read_text(encoding="utf-8"))["line"]  # noqa: ASYNC240 - a small file
    assert 0 < noted < count
    done = await run(ready, "import", str(path))
    assert done.code == 0, done.err
    assert done.out == (
        f"{count} lines, {count - noted} published, {noted} before the interruption, 0 refused\n"
    )
    assert not progress.exists()  # noqa: ASYNC240
    async with service(ready, ingest):
        await until(ready, "SELECT sum(events) = 6000 FROM segments.lane")
    assert await value(ready, "SELECT count(DISTINCT user_id) FROM reporting.event") == count
    assert await value(ready, "SELECT sum(rejected) FROM segments.lane") == 0


async def test_lines_refused_before_an_import_was_killed_are_told_by_the_one_that_goes_on(
    ready: Settings, tmp_path: Path
) -> None:
    path, count = tmp_path / "many.ndjson", 6_000
    path.write_text(
        import_line("wrong", extra=1) + "".join(import_line(f"u{n}") for n in range(count)),
        encoding="utf-8",
    )
    await asyncio.to_thread(
        _end_at_first_note, signal.SIGKILL, ready, path, "--json", "--network", "n"
    )
    # For another network it is another import.
    other = tmp_path / "other" / path.name
    other.parent.mkdir()
    for name in (path.name, f"{path.name}.progress"):
        (tmp_path / "other" / name).write_bytes((tmp_path / name).read_bytes())
    elsewhere = await run(ready, "import", str(other), "--network", "m", "--json")
    assert (elsewhere.json["published"], elsewhere.json["refused"]) == (count, 1)
    done = await run(ready, "import", str(path), "--network", "n", "--json")
    assert done.code == 1
    assert (done.json["lines"], done.json["refused"]) == (count + 1, 1)
    assert [error["line"] for error in done.json["errors"]] == [1]
    before = done.json["published_before_interruption"]
    assert before >= 2000
    assert done.json["published"] == count - before


async def test_an_import_that_was_killed_begins_anew_on_another_topic_or_cluster(
    ready: Settings, tmp_path: Path
) -> None:
    path, count = tmp_path / "many.ndjson", 4_000
    path.write_text("".join(import_line(f"u{n}") for n in range(count)), encoding="utf-8")
    progress = Path(f"{path}.progress")
    await asyncio.to_thread(
        _end_at_first_note, signal.SIGKILL, ready, path, "--json", "--network", "n"
    )
    note = progress.read_text(encoding="utf-8")  # noqa: ASYNC240 - a small file
    another = ready.model_copy(update={"topic_prefix": f"{ready.topic_prefix}_another"})
    await set_up_topics(another)
    elsewhere = await run(another, "import", str(path), "--network", "n", "--json")
    assert (elsewhere.code, elsewhere.json["published"]) == (0, count), elsewhere.err
    of_another_cluster = note.replace(
        str(await cluster_id(ready)), "a cluster of that name, remade"
    )
    assert of_another_cluster != note
    progress.write_text(of_another_cluster, encoding="utf-8")  # noqa: ASYNC240
    assert (await run(ready, "import", str(path), "--network", "n", "--json")).json[
        "published"
    ] == count
    progress.write_text(note, encoding="utf-8")  # noqa: ASYNC240
    here = (await run(ready, "import", str(path), "--network", "n", "--json")).json
    assert here["published"] + here["published_before_interruption"] == count
    assert here["published_before_interruption"] >= 2000


def _end_at_first_note(
    number: signal.Signals, settings: Settings, path: Path, *options: str
) -> tuple[int, str]:
    """Run an import that is sent a signal once it has noted how far it is; gives its exit code and stderr."""
    done = subprocess.run(
        [sys.executable, "-c", _ENDED, str(int(number)), "import", str(path), *options],
        env=environment(settings), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr
