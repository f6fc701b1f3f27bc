"""Names of topics, consumer groups and transactional ids, derived from the prefix."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of a prefix (`SEGMENTS_TOPIC_PREFIX`), and an installation's consumer group and transactional id.

    installation: its name (`service.registry.installation`). Without it, group and id are the common prefix
    of those of all installations.
    """

    prefix: str
    installation: str = ""

    @property
    def commands(self) -> str:
        """Commands, one per record: written by publishers, read by ingest."""
        return f"{self.prefix}.commands"

    @property
    def rejected(self) -> str:
        """Rejected records, with the reason."""
        return f"{self.prefix}.rejected"

    @property
    def memberships(self) -> str:
        """The current state of each key; compacted."""
        return f"{self.prefix}.memberships"

    @property
    def transactional_id(self) -> str:
        """The transactional id of the leader, which publishes memberships."""
        return self._own(f"{self.prefix}.memberships")

    @property
    def owner(self) -> str:
        """The owner of these topics: one partition, unlimited retention."""
        return f"{self.prefix}.owner"

    @property
    def checkpoints(self) -> str:
        """The signed checkpoints of the seal: one partition, unlimited retention."""
        return f"{self.prefix}.checkpoints"

    @property
    def ingest_group(self) -> str:
        """The consumer group of ingest."""
        return self._own(f"{self.prefix}.ingest")

    def _own(self, name: str) -> str:
        return f"{name}.{self.installation}" if self.installation else name
