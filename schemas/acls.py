"""What each role must be allowed in Kafka: the least that it can work with, and nothing implied by something else.

Kafka's own rules: Read and Write imply Describe, Alter implies it too, AlterConfigs implies DescribeConfigs; who may
write any topic may write it idempotently since Kafka 2.8. Source: Kafka's documentation, "Authorization using ACLs".
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.topics import Topics

ROLES = {
    "setup": "`setup`, and `run` at its start",
    "api": "`api`",
    "ingest": "`ingest`",
    "project": "`project`",
    "operator": "`status`, `lane`, `rejected retry`, `send`, `import`, `setup --check`",
    "publisher": "whoever publishes commands: upstream services, a job that runs `send` or `import`",
}


_OWNERS = ("setup", "ingest", "project", "operator")


@dataclass(frozen=True, slots=True)
class Acl:
    """One thing that a role must be allowed, in the words of `kafka-acls.sh`."""

    role: str
    resource: Literal["topic", "group", "transactional-id"]
    name: str
    operation: Literal[
        "Read", "Write", "Create", "Alter", "AlterConfigs", "Describe", "DescribeConfigs"
    ]
    pattern: Literal["literal", "prefixed"] = "literal"


def acls(topics: Topics, commands: Sequence[str] = (), revoked: Sequence[str] = ()) -> list[Acl]:
    """List what each role must be allowed.

    commands: further topics that commands come in on. revoked: those that may say nothing any more, and are read on.
    """
    sources = [topics.commands, *(topic for topic in commands if topic != topics.commands)]
    read = [*sources, *(topic for topic in revoked if topic not in sources)]
    told = [topics.rejected, topics.memberships, topics.owner]
    found = [
        Acl("setup", "topic", topic, operation)
        for topic in (*sources, *told)
        for operation in ("Create", "Alter", "AlterConfigs")
    ]
    found += [Acl("api", "topic", topics.commands, "Write")]
    found += [Acl("api", "topic", topic, "Read") for topic in read]  # to tell what is on its way
    found += [Acl("ingest", "topic", topic, "Read") for topic in read]
    found += [Acl("ingest", "topic", topics.rejected, "Write")]
    # What follows is the installation's name, which only its database knows.
    found += [Acl("ingest", "group", topics.ingest_group, "Read", "prefixed")]
    found += [Acl("project", "topic", topics.commands, "Write")]  # it publishes `expire`
    found += [Acl("project", "topic", topics.memberships, "Write")]
    found += [
        Acl("project", "topic", topics.memberships, "Read")
    ]  # after an erasure, to tell which keys are nobody's
    # `setup --adopt-topics` ends the telling of whose they were.
    found += [
        Acl(role, "transactional-id", topics.teller, "Write", "prefixed")
        for role in ("setup", "project")
    ]
    # Whose the topics are.
    found += [Acl(role, "topic", topics.owner, "Read") for role in _OWNERS]
    found += [Acl(role, "topic", topics.owner, "Write") for role in _OWNERS if role != "operator"]
    found += [Acl("operator", "topic", topic, "Read") for topic in read]
    found += [Acl("operator", "topic", topics.commands, "Write")]
    # `setup --check` counts the partitions of what it does not read.
    found += [
        Acl("operator", "topic", topic, "Describe")
        for topic in (topics.rejected, topics.memberships)
    ]
    # Every start and /health/ready look whether the topics are as they must be.
    found += [
        Acl(role, "topic", topic, "DescribeConfigs")
        for role in ("api", "ingest", "project", "operator")
        for topic in (*sources, *told)
    ]
    found += [Acl("publisher", "topic", topic, "Write") for topic in sources]
    return sorted(found, key=lambda acl: (list(ROLES).index(acl.role), acl.resource, acl.name))


def commands_of(listed: Sequence[Acl]) -> list[str]:
    """Write them as calls of Kafka's own tool; `$INGEST` and the like stand for the principals' names."""
    return [
        f'kafka-acls.sh --add --allow-principal "User:${role.upper()}" --{resource} {name} '
        + ("--resource-pattern-type prefixed " if pattern == "prefixed" else "")
        + " ".join(f"--operation {acl.operation}" for acl in group)
        for (role, resource, name, pattern), group in groupby(
            listed, key=attrgetter("role", "resource", "name", "pattern")
        )
    ]
