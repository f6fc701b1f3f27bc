"""The parsed command."""

import msgspec

from schemas.command.rules import UserStatus


class Command(msgspec.Struct, frozen=True, gc=False):
    """A valid command whose times are not checked yet (`check_times`).

    user: normalised; user_sent: as sent. metadata: JSON text without the lifted fields, None if absent or empty.
    Numbers keep the digits that were sent; one that Postgres does not accept as written has its canonical form
    (`0e-99999` becomes `0`). status_change_timestamp and expires_at: Unix seconds, None if absent. content: equal
    for two commands if and only if the contract calls their contents equal (`schemas.command.canonical.content`).
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
