"""Names of topics, consumer groups and transactions: all follow from the prefix."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of a prefix (`SEGMENTS_TOPIC_PREFIX`), and an installation's consumer group and transactional id.

    installation: its name (`service.registry.installation`). Without it, group and id are what
    those of all of them begin with.
    """

    prefix: str
    installation: str = ""

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
        return self._own(f"{self.prefix}.memberships")

    @property
    def owner(self) -> str:
        """Whose these topics are: one partition, kept for ever."""
        return f"{self.prefix}.owner"

    @property
    def ingest_group(self) -> str:
        """The consumer group of the ingest."""
        return self._own(f"{self.prefix}.ingest")

    def _own(self, name: str) -> str:
        return f"{name}.{self.installation}" if self.installation else name
