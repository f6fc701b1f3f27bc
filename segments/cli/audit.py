"""`audit` and `prove`: the log against its seal, and proofs of single records."""

from __future__ import annotations

from pathlib import Path

import click

from schemas.position import Position
from segments.cli.command import Failure, command, load_settings
from segments.cli.database import connected
from segments.cli.output import counted, print_json, print_rows
from service.postgres.database import give_longer
from service.runtime.errors import WrongUseError
from service.seal.audit import LONGEST_SECONDS, Auditor
from service.seal.folder import Folder
from service.seal.note import NoteError, Verifier
from service.seal.prove import prove as prove_record
from service.seal.role import ROLE, read_signer

FILE = click.Path(path_type=Path)


@command()
@click.option("--dir", "folder", type=FILE, help="Folder of the tiles. Default: SEGMENTS_SEAL_DIR.")
@click.option(
    "--checkpoint", type=FILE, help="Also compare with this checkpoint, which was kept elsewhere."
)
@click.option(
    "--verifier-key",
    help="Check signatures with this key. Default: that of SEGMENTS_SEAL_KEY_FILE.",
)
async def audit(
    *, folder: Path | None, checkpoint: Path | None, verifier_key: str | None, as_json: bool
) -> None:
    """Compare all rows of the log with what was sealed. The exit code is 1 on any difference.

    The command computes every leaf again from its row, and names what was altered, inserted or is missing, by position.
    """
    settings = load_settings()
    folder = folder or settings.seal_dir
    try:
        notes = {} if checkpoint is None else {str(checkpoint): _read(checkpoint)}
        verifier = Verifier.parse(verifier_key) if verifier_key else None
    except (OSError, UnicodeDecodeError, NoteError) as error:
        raise WrongUseError(f"({error})") from error
    if verifier is None and settings.seal_key_file is not None:
        verifier = read_signer(settings).verifier
    if verifier is None:
        click.echo("warning: no verifier key: signatures are not checked", err=True)
    tiles = Folder(folder) if folder else None
    if tiles and (note := tiles.read_checkpoint()) is not None:
        notes[str(tiles.checkpoint_path)] = note
    async with (
        connected(settings, ROLE, "repeatable_read") as connection,
        connection.transaction(isolation="repeatable_read"),
    ):
        await give_longer(connection, LONGEST_SECONDS)
        found = await Auditor(connection, tiles, verifier).run(notes)
    if as_json:
        print_json({"origin": found.origin, "leaves": found.leaves, "faults": found.faults})
    elif found.faults:
        print_rows(found.faults)
    else:
        click.echo(
            f"no differences: the rows are those that were sealed ({counted(found.leaves, 'row')})"
        )
    if found.faults:
        raise Failure(counted(len(found.faults), "difference"))


@command(needs=("database_url", "seal_dir"))
@click.argument("position")
@click.option("--out", type=FILE, required=True, help="File to write, with the suffix .tlog-proof.")
async def prove(*, position: str, out: Path, as_json: bool) -> None:
    """Write a proof that a record is in the log, with what it said.

    POSITION is topic:partition:epoch:offset; the epoch defaults to 0. docs/verify/verify.py checks the proof.
    """
    try:
        place = Position.parse(position)
    except ValueError as error:
        raise WrongUseError(f"({error})") from error
    settings = load_settings()
    assert settings.seal_dir is not None  # noqa: S101 - the command needs it
    async with connected(settings, ROLE) as connection:
        text = await prove_record(connection, Folder(settings.seal_dir), place)
    try:
        _write(out, text)
    except OSError as error:
        raise Failure(f"{out} can't be written: {error.strerror}.") from error
    if as_json:
        print_json({"position": str(place), "out": str(out)})
    else:
        click.echo(f"{out}: proof of {place}")


def _read(path: Path) -> str:
    return path.read_text("utf-8")


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
