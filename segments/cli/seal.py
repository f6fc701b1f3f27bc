"""`seal`: the sealer, its key, and a new log."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import click

from segments.cli.command import BOTH, Failure, actor_option, command, load_settings, run_async
from segments.cli.database import connected
from segments.cli.output import print_json
from segments.roles import SEAL, run_roles
from service.postgres.database import statements
from service.runtime.settings import PREFIX
from service.seal.note import Signer
from service.seal.role import ROLE, read_origin, read_signer

SQL = statements("service.seal.sql")
NEEDS = (*BOTH, "seal_dir", "seal_key_file", "seal_origin")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def seal(context: click.Context, *, as_json: bool) -> None:
    """Sign the log, make the key, begin a new log.

    Without a command: sign the log until a stop. One process at a time does; the others stand by.
    """
    del as_json
    if context.invoked_subcommand is None:
        settings = load_settings()
        missing = [PREFIX + name.upper() for name in NEEDS if not getattr(settings, name)]
        if missing:
            are = "is" if len(missing) == 1 else "are"
            raise Failure(f"{' and '.join(missing)} {are} not set.", exit_code=2)
        run_async(run_roles(settings, SEAL))


@command(seal, needs=("seal_key_file", "seal_origin"))
@click.option("--policy", is_flag=True, help="Print a policy for docs/verify/verify.py instead.")
async def key(*, policy: bool, as_json: bool) -> None:
    """Make the signing key in SEGMENTS_SEAL_KEY_FILE, unless it is there, and print its verifier key.

    Give the verifier key to everybody who is to check proofs. Keep the file secret.
    """
    settings = load_settings()
    path = settings.seal_key_file
    assert path is not None  # noqa: S101 - the command needs it
    made = not path.exists()
    if made:
        signer = Signer.generate(read_origin(settings))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(signer.private_text() + "\n")
        except OSError as error:
            raise Failure(f"SEGMENTS_SEAL_KEY_FILE: {error.strerror}.", exit_code=2) from error
    verifier = str(read_signer(settings).verifier)
    if as_json:
        print_json({"verifier_key": verifier, "made": made})
    elif policy:
        click.echo(f"log {verifier}\nquorum none")
    else:
        click.echo(verifier)


@command(seal, needs=("database_url", "seal_key_file", "seal_origin"))
@click.option("--reason", required=True, help="The reason; recorded.")
@actor_option
async def reopen(*, reason: str, actor: str | None, as_json: bool) -> None:
    """Begin a new log, with another origin, and print its verifier key.

    This is needed after the database was restored to an earlier time than what was signed, because a signed checkpoint
    is never contradicted. The sealer moves the old log's files to closed/ in SEGMENTS_SEAL_DIR, and seals all rows
    again.
    """
    settings = load_settings()
    signer = read_signer(settings)
    origin = f"{signer.verifier.name}/{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    async with connected(settings, ROLE) as connection:
        await connection.execute(SQL["open_seal"], origin, reason, actor)
    verifier = str(signer.named(origin).verifier)
    if as_json:
        print_json({"origin": origin, "verifier_key": verifier})
    else:
        click.echo(verifier)
