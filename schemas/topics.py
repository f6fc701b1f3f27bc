"""Names of topics, consumer groups and transactions: all follow from the prefix."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics, the consumer group and the transactional id of one installation (`SEGMENTS_TOPIC_PREFIX`)."""

    prefix: str

    @property
    def commands(self) -> str:
        """Commands, one a record: publishers write it, the ingest reads it."""
        return f"{self.prefix}.commands"

    @property
    def rejected(self) -> str:
        """Records that were refused, with their reason."""
        return f"{self.prefix}.rejected"

    @property
    def memberships(self) -> str:
        """What stands now for each key; compacted."""
        return f"{self.prefix}.memberships"

    @property
    def teller(self) -> str:
        """The transactional id of whoever tells what stands now."""
        return f"{self.prefix}.memberships"

    @property
    def ingest_group(self) -> str:
        """The consumer group of the ingest."""
        return f"{self.prefix}.ingest"
