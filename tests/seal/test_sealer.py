"""Rounds of the sealer: what they sign, in which order, and what they never contradict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from service.kafka.clients import producing
from service.seal.folder import Folder
from service.seal.leaves import read_entries, read_stretches
from service.seal.note import Checkpoint, Signer, open_checkpoint
from service.seal.topic import publish_checkpoint, read_checkpoints
from service.seal.tree import Tree, leaf_hash, tiles_of
from tests.seal.conftest import ORIGIN, audited, quieten
from tests.support.database import UNGUARDED, connected, rows, value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from service.seal.sealer import Sealer
    from tests.seal.conftest import Site

pytestmark = pytest.mark.stack


async def entries(site: Site) -> list[bytes]:
    async with connected(site.settings, "segments_seal") as connection:
        return [
            entry
            async for stretch in read_stretches(connection, 1, 0, site.checkpoint().size)
            for entry in await read_entries(connection, stretch)
        ]


async def test_every_row_is_a_leaf_once_and_the_signed_root_is_theirs(site: Site) -> None:
    await site.lanes[0].append(
        *(command_json(user=f"u{n}") for n in range(300)), b"{", command_json(user="u1")
    )
    await site.lanes[1].append(command_json(network_id="m", user="v"))
    await site.seal()
    checkpoint = site.checkpoint()
    hashes = [leaf_hash(entry) for entry in await entries(site)]
    assert checkpoint.origin == ORIGIN
    assert checkpoint.size == len(hashes) == len(set(hashes))
    tree = Tree(checkpoint.size, site.folder.read_tile)
    assert tree.root() == checkpoint.root
    level = b"".join(site.folder.read_tile(t) for t in tiles_of(checkpoint.size) if t.level == 0)
    assert level == b"".join(hashes)
    logged = await value(
        site.settings,
        "SELECT (SELECT count(*) FROM segments.event) + (SELECT count(*) FROM segments.duplicate)"
        " + (SELECT count(*) FROM segments.rejected) + (SELECT count(*) FROM segments.registry_event)"
        " + (SELECT count(*) FROM segments.lane_event)",
    )
    assert checkpoint.size == logged


async def test_later_rounds_go_on_from_the_tree_as_it_was(site: Site) -> None:
    sizes = []
    for start in range(0, 900, 300):
        await site.lane.append(*(command_json(user=f"u{n}") for n in range(start, start + 300)))
        await site.seal()
        sizes.append(site.checkpoint().size)
        tree = Tree(sizes[-1], site.folder.read_tile)
        assert tree.root() == site.checkpoint().root
    assert sizes == sorted(set(sizes))
    notes = await rows(
        site.settings, "SELECT note FROM segments.seal_checkpoint ORDER BY tree_size"
    )
    assert len(notes) == 3
    assert await site.stopped() is None


async def test_what_may_still_be_preceded_is_not_sealed(site: Site) -> None:
    await quieten(site.settings)
    await site.lanes[1].append(command_json(network_id="m", user="v"))
    async with site.sealing() as sealer:
        await sealer.run_round()
    # Lane 0 has said nothing since, and may still record something earlier.
    assert not any(b'"event"' in entry for entry in await entries(site))
    await site.seal()
    assert sum(b'"event"' in entry for entry in await entries(site)) == 1


async def test_nothing_new_signs_nothing(site: Site) -> None:
    await site.seal()
    before = site.checkpoint()
    await site.seal(rounds=3)
    assert site.checkpoint() == before


class KilledError(Exception):
    """The process ended here."""


@pytest.mark.parametrize("step", ["write_tiles", "write_checkpoint", "note", "publish"])
async def test_a_round_that_was_cut_off_is_carried_out_as_it_was_planned(
    site: Site, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.lane.append(*(command_json(user=f"u{n}") for n in range(300)))
    await site.seal()
    before = site.checkpoint()
    await site.lane.append(*(command_json(user=f"v{n}") for n in range(300)))
    await quieten(site.settings)
    async with site.sealing() as sealer:
        with monkeypatch.context() as patching:
            _cut(sealer, step, patching)
            with pytest.raises(KilledError):
                await sealer.run_round()
    assert await audited(site) == []
    # More was recorded until the next process starts: the planned round does not take it in.
    await site.lane.append(command_json(user="later"))
    planned = await value(site.settings, "SELECT max(tree_size) FROM segments.seal_round")
    await site.seal()
    assert before.size < planned
    assert site.checkpoint().size == planned or step == "publish"
    await site.seal()
    assert site.checkpoint().size == planned + 1
    assert Tree(planned + 1, site.folder.read_tile).root() == site.checkpoint().root
    published = await read_checkpoints(site.settings, ORIGIN)
    noted = await rows(site.settings, "SELECT note FROM segments.seal_checkpoint")
    assert {row["note"] for row in noted} == set(published)
    assert await site.stopped() is None


def _cut(sealer: Sealer, step: str, patching: pytest.MonkeyPatch) -> None:
    """Let a process end just before a step."""

    def die(*_: object) -> None:
        raise KilledError

    if step == "note":
        write = Folder.write_checkpoint

        def write_and_die(folder: Folder, note: str) -> None:
            write(folder, note)
            die()

        patching.setattr(Folder, "write_checkpoint", write_and_die)
    elif step == "publish":
        patching.setattr(sealer, "_publish", die)
    else:
        patching.setattr(Folder, step, die)


async def test_a_database_that_is_older_than_the_folder_is_not_signed_until_it_is_reopened(
    site: Site,
) -> None:
    await site.lane.append(command_json(user="u"))
    await site.seal()
    await site.lane.append(command_json(user="v"))
    await site.seal()
    newest = site.checkpoint()
    async with connected(site.settings) as connection:  # as after a restore
        await connection.execute(
            UNGUARDED
            + "DELETE FROM segments.seal_checkpoint AS c WHERE tree_size = (SELECT max(tree_size)"
            " FROM segments.seal_round); DELETE FROM segments.seal_stretch WHERE first_leaf >= (SELECT"
            " min(tree_size) FROM segments.seal_round); DELETE FROM segments.seal_round WHERE tree_size ="
            " (SELECT max(tree_size) FROM segments.seal_round)"
        )
    await site.seal()
    assert site.checkpoint() == newest
    assert "restored to an earlier time" in (await site.stopped() or "")
    # The topic alone says so too.
    site.folder.set_aside("lost")
    await site.seal()
    assert site.folder.read_checkpoint() is None
    assert "Topic" in (await site.stopped() or "")
    origin = f"{ORIGIN}/2"
    async with connected(site.settings, "segments_seal") as connection:
        await connection.execute(
            "INSERT INTO segments.seal (origin, reason) VALUES ($1, 'restored')", origin
        )
    await site.seal()
    assert await site.stopped() is None
    note = site.folder.read_checkpoint()
    assert note is not None
    assert open_checkpoint(note, site.signer.named(origin).verifier).size > newest.size - 1


async def test_a_new_log_moves_the_old_ones_files_away(site: Site) -> None:
    await site.seal()
    old = site.folder.read_checkpoint()
    async with connected(site.settings, "segments_seal") as connection:
        await connection.execute(
            "INSERT INTO segments.seal (origin, reason) VALUES ($1, 'a new key')", f"{ORIGIN}/2"
        )
    await site.seal()
    assert (site.folder.path / "closed" / "1" / "checkpoint").read_text() == old
    assert (site.folder.read_checkpoint() or "").startswith(f"{ORIGIN}/2\n")


async def test_a_checkpoint_of_the_same_size_with_another_root_stops_the_sealing(
    site: Site,
) -> None:
    await site.seal()
    mine = site.checkpoint()
    site.folder.write_checkpoint(site.signer.sign(Checkpoint(ORIGIN, mine.size, bytes(32)).text()))
    await site.lane.append(command_json(user="u"))
    await site.seal()
    assert "contradicts" in (await site.stopped() or "")
    site.folder.write_checkpoint(site.signer.sign(mine.text()))
    await site.seal()
    assert await site.stopped() is None
    assert site.checkpoint().size == mine.size + 1


async def test_another_logs_folder_is_left_alone(site: Site) -> None:
    other = Signer.generate("elsewhere").sign(Checkpoint("elsewhere", 3, bytes(32)).text())
    site.folder.write_checkpoint(other)
    await site.seal()
    assert "not one of this log" in (await site.stopped() or "")
    assert site.folder.read_checkpoint() == other


async def test_what_others_write_to_the_topic_does_not_stop_the_sealing(site: Site) -> None:
    forged = Signer.generate(ORIGIN).sign(Checkpoint(ORIGIN, 10**9, bytes(32)).text())
    async with producing(site.settings) as producer:
        for note in (forged, "nonsense"):
            await publish_checkpoint(producer, site.settings, ORIGIN, note)
    await site.seal()
    assert await site.stopped() is None
    assert site.checkpoint().size > 0


async def test_lost_tiles_are_made_again(site: Site) -> None:
    await site.lane.append(*(command_json(user=f"u{n}") for n in range(600)))
    await site.seal()
    before = site.checkpoint()
    site.folder.set_aside("lost")
    await site.seal()
    assert site.checkpoint() == before
    assert Tree(before.size, site.folder.read_tile).root() == before.root


async def test_an_altered_row_is_not_sealed_over(site: Site) -> None:
    await site.lane.append(command_json(user="u"))
    await site.seal()
    before = site.checkpoint()
    async with connected(site.settings) as connection:
        await connection.execute(UNGUARDED + "UPDATE segments.event SET actor = 'x'")
    site.folder.set_aside("lost")
    await site.seal()
    assert site.folder.read_checkpoint() is None
    assert f"first {before.size} leaves" in (await site.stopped() or "")


async def test_one_process_at_a_time_seals(site: Site) -> None:
    await site.lane.append(command_json(user="u"))
    await quieten(site.settings)
    async with site.sealing() as first, site.sealing() as second:
        await first.run_round()
        await site.lane.append(command_json(user="v"))
        await quieten(site.settings)
        before = site.checkpoint()
        await second.run_round()
        assert site.checkpoint() == before
        await first.run_round()
        assert site.checkpoint().size == before.size + 1
