"""What an export has: the tables, how each is read, and how its files are partitioned."""

from __future__ import annotations

from dataclasses import dataclass

from service.postgres.database import statements

SQL = statements("projections.export.sql")


@dataclass(frozen=True, slots=True)
class Table:
    """A table of an export. name: its folder too. query: its statement."""

    name: str
    query: str
    by_network: bool = False
    by_month: bool = False
    personal: bool = False
    times_as_text: bool = False


REJECTED = Table("rejected", SQL["rejected"], by_network=True, by_month=True)
LOG = (
    Table("event", SQL["event"], by_network=True, by_month=True),
    Table("duplicate", SQL["duplicate"], by_network=True, by_month=True),
    Table("hole", SQL["hole"], by_month=True),
)
"""Read by ranges of offsets, after the snapshot: these rows never change, except that an erasure blanks them."""
REGISTRY = Table("registry", SQL["registry"], by_network=True)
STATES = (
    Table("membership_history", SQL["membership_history"], by_network=True),
    Table("user_segment", SQL["user_segment"], by_network=True),
)
"""Read in the transaction that takes the snapshot."""
BASE_LOG = (
    Table("personal/event", SQL["log_event"], personal=True),
    Table("personal/duplicate", SQL["log_duplicate"], personal=True),
    Table("personal/rejected", SQL["log_rejected"], personal=True),
    Table("personal/hole", SQL["log_hole"], personal=True),
)
"""For a restore: the tables behind LOG, to the end of the log."""
BASE = tuple(
    Table(f"personal/{name}", f"TABLE segments.{name}", personal=True, times_as_text=True)
    for name in (
        "installation", "network", "segment", "registry_event", "source_event", "source_version", "analyst_event",
        "lane", "lane_event", "person", "retry", "erasure", "rejected_erasure", "rejected_outbox", "idempotency",
        "signature", "signature_horizon", "seal", "seal_round", "seal_stretch", "seal_checkpoint",
    )
)  # fmt: skip
"""For a restore: the other tables of the log, in the snapshot's transaction. Times are text: some are infinite."""


def tables_of(*, full: bool) -> tuple[Table, ...]:
    """Return the tables of an export."""
    views = (*LOG, REJECTED, REGISTRY, *STATES)
    return (*views, *BASE_LOG, *BASE) if full else views
