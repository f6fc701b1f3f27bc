"""Commands: from bytes to a Command, or a Refusal with its reason and every wrong field.

This package is the whole surface; it imports nothing but `schemas.command`.
"""

from schemas.command.checks import check_size, check_time, check_times, refusal_of
from schemas.command.model import Command
from schemas.command.parser import read_command, read_command_strictly
from schemas.command.rules import BY_TEXT, MAX_RECORD_BYTES, Transport, UserStatus, normalise_user

__all__ = [
    "BY_TEXT",
    "MAX_RECORD_BYTES",
    "Command",
    "Transport",
    "UserStatus",
    "check_size",
    "check_time",
    "check_times",
    "normalise_user",
    "read_command",
    "read_command_strictly",
    "refusal_of",
]
