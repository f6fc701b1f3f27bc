"""The set-based fold is the oracle's, whatever was published; it needs no Postgres."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from projections.engines.fold import fold_export
from projections.engines.with_duckdb import DuckDB
from projections.export.manifest import ManifestError
from service.runtime.errors import WrongUseError
from tests.engines.exported import export_model, plain, read_rows, with_microseconds
from tests.histories import Sent, delivered, history, registry, small_histories
from tests.oracle import Model, Record, compare
from tests.oracle.words import at_millisecond
from tests.support.command_line import run
from tests.support.referee import KEYS

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_760_000_000
VIEWS = ("membership", "override", "membership_history", "result")


def logged(sent: list[Sent], networks: int, segments: int, **options: Any) -> Model:
    model = Model(
        registry(networks, segments),
        accepts=lambda record: record.header("segments-signature") is not None,
    )
    for record in delivered(sent, NOW * 1000, **options):
        model.append(record, at_millisecond(record.timestamp_ms))
    return model


def expire(model: Model, rng: random.Random) -> None:
    """Append expires of half of the overrides with an expires_at, some of them twice, some late."""
    offset = 0
    for row in model.event():
        if row["expires_at"] is None or rng.random() < 0.5:
            continue
        for late in rng.choice([[0], [-3600], [0, 1]]):
            offset += 1
            value = {name: row[name] for name in ("network_id", "segment_id")} | {
                "user": row["user_id"], "user_status": "expire", "reference_id": f"expire:{row['event_id']}",
                "status_change_timestamp": int(row["status_change_timestamp"].timestamp()) + 60 + late,
            }  # fmt: skip
            signed = (("segments-source", b"expiry"), ("segments-signature", b"any"))
            now = (NOW + 10_000) * 1000 + offset
            record = Record(
                "segments.commands", 9, 0, offset, now, json.dumps(value).encode(), None, signed
            )
            model.append(record, at_millisecond(now))


def differences(model: Model, folder: Path) -> list[str]:
    expected = {view: getattr(model, view)() for view in VIEWS}
    expected["membership_history"] = with_microseconds(expected["membership_history"])
    for view in ("membership", "override"):
        expected[view] = list(map(plain, expected[view]))
    return [
        f"{view}: {one}"
        for view in VIEWS
        for one in compare(expected[view], read_rows(folder / view), KEYS[view])
    ]


@pytest.mark.parametrize("seed", range(4))
def test_a_long_history_is_folded_as_the_oracle_folds_it(tmp_path: Path, seed: int) -> None:
    """Late, tied, repeated, refused and expiring commands; a broker whose clock stands still or steps back."""
    steps = [0, 0, 7, -3, 1000]
    sent = history(seed, NOW, commands=1500, lanes=3, users=5, segments=3, due=True)
    model = logged(sent, 2, 3, step_ms=lambda place: steps[place % len(steps)])
    expire(model, random.Random(seed))  # noqa: S311 - the same each time
    statuses = {row["user_status"] for row in model.event()}
    assert statuses == {"add", "block", "reset", "enter", "leave", "expire"}
    assert {row["outcome"] for row in model.result()} >= {
        "superseded",
        "ineffective",
        "duplicate",
        "rejected",
    }
    made = fold_export(
        [export_model(model, tmp_path / "out")], tmp_path / "folded", DuckDB, name="duckdb"
    )
    assert made["rows"] == {view: len(getattr(model, view)()) for view in VIEWS}
    assert differences(model, tmp_path / "folded") == []


def test_short_histories_with_expires_are_folded_as_the_oracle_folds_them(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    @given(small_histories(NOW, most=12))
    @settings(max_examples=40, database=None)
    def holds(sent: list[Sent]) -> None:
        root = tmp_path_factory.mktemp("one")
        model = logged(sent, 1, 2)
        fold_export([export_model(model, root / "out")], root / "folded", DuckDB, name="duckdb")
        assert differences(model, root / "folded") == []

    holds()


async def test_the_command_prints_what_it_wrote_and_needs_no_database(tmp_path: Path) -> None:
    model = logged(history(1, NOW, commands=50), 2, 5)
    export = export_model(model, tmp_path / "out")
    printed = await run(None, "fold", str(export), "--to", str(tmp_path / "folded"))
    assert f"result: {len(model.result())} rows\nsnapshot: s1\n" in printed.out
    as_json = await run(None, "fold", str(export), "--to", str(tmp_path / "again"), "--json")
    assert as_json.json["rows"]["result"] == len(model.result())
    assert as_json.err == ""
    assert sorted(path.name for path in (tmp_path / "folded").iterdir()) == sorted(
        [*VIEWS, "manifest.json"]
    )


async def test_wrong_use_is_told_in_a_sentence(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "something").touch()
    for arguments, message in [
        ((str(tmp_path / "none"), "--to", str(tmp_path / "x")), "none/manifest.json is missing"),
        ((str(tmp_path / "none"), "--to", str(full)), "is not empty"),
        (
            (str(full), "--to", str(tmp_path / "y"), "--master", "local[1]"),
            "--master is for --engine spark",
        ),
    ]:
        done = await run(None, "fold", *arguments)
        assert done.code in (1, 2)
        assert message in done.err


def test_an_export_that_was_altered_or_does_not_follow_the_one_before_is_refused(
    tmp_path: Path,
) -> None:
    model = logged(history(1, NOW, commands=20), 2, 5)
    export = export_model(model, tmp_path / "out")
    with pytest.raises(ManifestError, match="is a whole export; the others would be counted twice"):
        fold_export([export, export], tmp_path / "twice", DuckDB, name="duckdb")
    manifest = json.loads((export / "manifest.json").read_text())
    (export / "manifest.json").write_text(json.dumps(manifest | {"since": "s0"}))
    with pytest.raises(ManifestError, match="begins after snapshot s0, not with the whole log"):
        fold_export([export], tmp_path / "part", DuckDB, name="duckdb")
    (export / "manifest.json").write_text(json.dumps(manifest))
    later = export_model(model, tmp_path / "later")
    follows = {"since": manifest["snapshot"], "erasures": 0, "networks": None}
    for differs, sentence in (
        ({"erasures": 1}, "people were erased after"),
        ({"networks": ["n"]}, "is of other networks than"),
    ):
        (export / "manifest.json").write_text(json.dumps(manifest | follows | {"since": None}))
        (later / "manifest.json").write_text(json.dumps(manifest | follows | differs))
        with pytest.raises(ManifestError, match=sentence):
            fold_export([export, later], tmp_path / "chained", DuckDB, name="duckdb")
    (export / "manifest.json").write_text(json.dumps(manifest))
    with (export / "event" / "part-0.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ManifestError, match=r"event/part-0\.parquet is not as it was written"):
        fold_export([export], tmp_path / "altered", DuckDB, name="duckdb")
    with pytest.raises(WrongUseError, match="is not empty"):
        fold_export([export], export, DuckDB, name="duckdb")
