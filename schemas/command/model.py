"""A command as the parser gives it."""

import msgspec

from schemas.command.rules import UserStatus


class Command(msgspec.Struct, frozen=True, gc=False):
    """A command that is valid by itself; only its times are still to be checked (`check_times`).

    user: normalised; user_sent: as it was sent. metadata: JSON text less the lifted fields, every
    number with the digits it was sent with (but a number that Postgres does not read as it is
    written in its canonical form: `0e-99999` is `0`), None if absent or empty.
    status_change_timestamp and expires_at: Unix seconds, None if absent. content: bytes that are
    equal exactly if the contract calls the contents equal (`schemas.command.canonical.content`).
    """

    network_id: str
    user: str
    user_sent: str
    segment_id: int
    user_status: UserStatus
    metadata: str | None
    reference_id: str | None
    status_change_timestamp: int | None
    description: str | None
    expires_at: int | None
    content: bytes
