"""The checkpoints outside the database, in folder and topic: what was given out must not be contradicted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.topics import Topics
from service.runtime.errors import SealStoppedError
from service.runtime.logs import get_logger
from service.seal.note import NoteError, open_checkpoint
from service.seal.topic import read_checkpoints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.runtime.settings import Settings
    from service.seal.folder import Folder
    from service.seal.note import Checkpoint, Verifier

log = get_logger("seal.outside")
REOPEN = "`segments seal reopen --reason` begins a new log."


@dataclass(frozen=True, slots=True)
class Outside:
    """The signed checkpoints of an origin that were found, with where. in_folder, in_topic: the largest sizes there."""

    checkpoints: list[tuple[Checkpoint, str]]
    in_folder: int
    in_topic: int

    def check(self, roots: Mapping[int, bytes], size: int) -> None:
        """Compare with the roots of rounds, of which the last has this size. Raises: SealStoppedError."""
        for checkpoint, where in self.checkpoints:
            if checkpoint.size > size:
                raise SealStoppedError(
                    f"{where} has a checkpoint of {checkpoint.size} leaves, and the database knows of {size}: it was"
                    f" restored to an earlier time, or is another one. {REOPEN}"
                )
            if roots.get(checkpoint.size) != checkpoint.root:
                raise SealStoppedError(
                    f"{where} has a checkpoint of {checkpoint.size} leaves that contradicts the database. {REOPEN}"
                )


async def read_outside(settings: Settings, folder: Folder, verifier: Verifier) -> Outside:
    """Read the checkpoints of an origin, the verifier's name, in folder and topic.

    Raises: SealStoppedError if the folder has another log's checkpoint.
    """
    in_folder = []
    note = await asyncio.to_thread(folder.read_checkpoint)
    if note is not None:
        try:
            in_folder = [open_checkpoint(note, verifier)]
        except NoteError as error:
            raise SealStoppedError(
                f"The checkpoint in {folder.path} is not one of this log, {verifier.name}: {error}."
            ) from error
    topic, in_topic = Topics(settings.topic_prefix).checkpoints, []
    for note in await read_checkpoints(settings, verifier.name):
        try:
            in_topic.append(open_checkpoint(note, verifier))
        except NoteError as error:
            # Else whoever may write to the topic could stop the sealing.
            log.warning("a checkpoint is not ours", topic=topic, because=str(error))
    return Outside(
        [
            *((checkpoint, str(folder.path)) for checkpoint in in_folder),
            *((checkpoint, f"Topic {topic}") for checkpoint in in_topic),
        ],
        max((checkpoint.size for checkpoint in in_folder), default=0),
        max((checkpoint.size for checkpoint in in_topic), default=0),
    )
