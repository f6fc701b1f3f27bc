"""The role of the sealer."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from service.kafka.clients import producing
from service.outbox.runner import run_outbox
from service.runtime.errors import WrongUseError
from service.runtime.logs import get_logger
from service.seal.folder import Folder
from service.seal.note import NoteError, Signer, is_name
from service.seal.sealer import Sealer

if TYPE_CHECKING:
    import asyncio

    from service.postgres.database import Database
    from service.runtime.settings import Settings
    from service.runtime.supervise import Supervisor

log = get_logger("seal")
ROLE = "segments_seal"


async def seal(settings: Settings, stop: asyncio.Event) -> None:
    """Seal the log until `stop` is set, while this installation owns the topics. Raises: WrongUseError."""
    signer = read_signer(settings)
    folder = make_folder(settings)

    async def publish(database: Database, supervisor: Supervisor) -> None:
        async with producing(settings, linger_ms=0) as producer:
            sealer = Sealer(database, producer, folder, signer)
            await supervisor.repeat(partial(sealer.run_round))

    await run_outbox(settings, ROLE, stop, publish, log, "sealing delayed")


def make_folder(settings: Settings) -> Folder:
    """Make SEAL_DIR if it is missing. Raises: WrongUseError."""
    if settings.seal_dir is None:
        raise WrongUseError("SEGMENTS_SEAL_DIR is not set.")
    try:
        settings.seal_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUseError(f"SEGMENTS_SEAL_DIR: {error.strerror}.") from error
    return Folder(settings.seal_dir)


def read_signer(settings: Settings) -> Signer:
    """Read the signing key, under the name SEAL_ORIGIN. Raises: WrongUseError."""
    if settings.seal_key_file is None:
        raise WrongUseError("SEGMENTS_SEAL_KEY_FILE is not set.")
    origin = read_origin(settings)
    try:
        text = Path(settings.seal_key_file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUseError(
            f"SEGMENTS_SEAL_KEY_FILE can't be read: {error}. `segments seal key` makes a key."
        ) from error
    try:
        return Signer.parse(text).named(origin)
    except NoteError as error:
        raise WrongUseError(f"SEGMENTS_SEAL_KEY_FILE: {error}.") from error


def read_origin(settings: Settings) -> str:
    """Return SEAL_ORIGIN. Raises: WrongUseError."""
    if settings.seal_origin is None:
        raise WrongUseError("SEGMENTS_SEAL_ORIGIN is not set.")
    if not is_name(settings.seal_origin):
        raise WrongUseError("SEGMENTS_SEAL_ORIGIN holds white space, a control character or +.")
    return settings.seal_origin
