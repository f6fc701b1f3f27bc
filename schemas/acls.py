"""The Kafka ACLs that each role needs: the minimum, without those that another ACL implies.

Kafka's rules: Read, Write and Alter imply Describe. AlterConfigs implies DescribeConfigs. Since Kafka 2.8, Write on any
topic implies IdempotentWrite. Source: Kafka's documentation, "Authorization using ACLs".
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
    "seal": "`seal`",
    "operator": "`status`, `lane`, `rejected retry`, `send`, `import`, `setup --check`",
    "publisher": "upstream services, and jobs that run `send` or `import`",
}


_OWNERS = ("setup", "ingest", "project", "seal", "operator")


@dataclass(frozen=True, slots=True)
class Acl:
    """One ACL of a role, in the terms of `kafka-acls.sh`."""

    role: str
    resource: Literal["topic", "group", "transactional-id"]
    name: str
    operation: Literal[
        "Read", "Write", "Create", "Alter", "AlterConfigs", "Describe", "DescribeConfigs"
    ]
    pattern: Literal["literal", "prefixed"] = "literal"


def acls(topics: Topics, commands: Sequence[str] = (), revoked: Sequence[str] = ()) -> list[Acl]:
    """List the ACLs of each role.

    commands: additional command topics. revoked: revoked command topics, which are still read.
    """
    sources = [topics.commands, *(topic for topic in commands if topic != topics.commands)]
    read = [*sources, *(topic for topic in revoked if topic not in sources)]
    written = [topics.rejected, topics.memberships, topics.checkpoints, topics.owner]
    listed = [
        Acl("setup", "topic", topic, operation)
        for topic in (*sources, *written)
        for operation in ("Create", "Alter", "AlterConfigs")
    ]
    listed += [Acl("api", "topic", topics.commands, "Write")]
    listed += [Acl("api", "topic", topic, "Read") for topic in read]  # to find queued records
    listed += [Acl("ingest", "topic", topic, "Read") for topic in read]
    listed += [Acl("ingest", "topic", topics.rejected, "Write")]
    # The rest of the group id is the installation's name, which only its database knows.
    listed += [Acl("ingest", "group", topics.ingest_group, "Read", "prefixed")]
    listed += [Acl("project", "topic", topics.commands, "Write")]  # it publishes `expire`
    listed += [Acl("project", "topic", topics.memberships, "Write")]
    listed += [
        Acl("project", "topic", topics.memberships, "Read")
    ]  # to find the keys of erased users
    listed += [
        Acl("seal", "topic", topics.checkpoints, operation) for operation in ("Write", "Read")
    ]
    # `setup --adopt-topics` fences the previous owner's producer.
    listed += [
        Acl(role, "transactional-id", topics.transactional_id, "Write", "prefixed")
        for role in ("setup", "project")
    ]
    # The owner of the topics.
    listed += [Acl(role, "topic", topics.owner, "Read") for role in _OWNERS]
    listed += [Acl(role, "topic", topics.owner, "Write") for role in _OWNERS if role != "operator"]
    listed += [Acl("operator", "topic", topic, "Read") for topic in read]
    listed += [Acl("operator", "topic", topics.commands, "Write")]
    # `setup --check` counts the partitions of topics that it does not read.
    listed += [
        Acl("operator", "topic", topic, "Describe")
        for topic in (topics.rejected, topics.memberships, topics.checkpoints)
    ]
    # Every start and /health/ready check the configuration of the topics.
    listed += [
        Acl(role, "topic", topic, "DescribeConfigs")
        for role in ("api", "ingest", "project", "seal", "operator")
        for topic in (*sources, *written)
    ]
    listed += [Acl("publisher", "topic", topic, "Write") for topic in sources]
    return sorted(listed, key=lambda acl: (list(ROLES).index(acl.role), acl.resource, acl.name))


def commands_of(listed: Sequence[Acl]) -> list[str]:
    """Format ACLs as `kafka-acls.sh` commands; `$INGEST` and the like are placeholders for principals."""
    return [
        f'kafka-acls.sh --add --allow-principal "User:${role.upper()}" --{resource} {name} '
        + ("--resource-pattern-type prefixed " if pattern == "prefixed" else "")
        + " ".join(f"--operation {acl.operation}" for acl in group)
        for (role, resource, name, pattern), group in groupby(
            listed, key=attrgetter("role", "resource", "name", "pattern")
        )
    ]
