"""Kafka over TLS and SASL: every role with its own login and just the ACLs that `setup --print` lists."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from projections.memberships import relay_memberships
from projections.worker import project
from schemas.acls import ROLES, Acl, acls
from schemas.topics import Topics
from service.errors import KafkaRefusedError, WrongUseError
from service.ingest.ingest import ingest
from service.kafka import producing, set_up_topics, topic_faults
from service.relay import relay_rejected
from stack import StackError
from stack.kafka_jars import java, kafka_jars
from tests.support.command_line import run
from tests.support.database import make_segments
from tests.support.kafka import Said, publish
from tests.support.roles import service
from tests.support.secured import Secured, allow, deny, secured, token
from tests.support.topics import make_commands
from tests.support.waiting import holds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from service.settings import Settings
    from stack import Stack

SEND = ("send", "--network", "n", "--user", "jo@x.se", "--segment", "1", "--status", "add")


@pytest.fixture(scope="module")
def kafka(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    try:
        java(os.environ)
        kafka_jars(os.environ)
    except StackError as error:
        pytest.skip(f"no broker can be run without Docker here: {error}")
    with secured(stack, tmp_path_factory.mktemp("keys"), [*ROLES, "nobody"]) as started:
        yield started


def needed(settings: Settings) -> list[Acl]:
    return acls(Topics(settings.topic_prefix))


async def test_every_role_works_with_the_acls_that_setup_prints(
    kafka: Secured, database: Settings
) -> None:
    printed = (await run(database, "setup", "--print", "--json")).json["acls"]
    await allow(kafka.unrestricted(database), [Acl(**acl) for acl in printed])
    as_role = {role: kafka.settings(database, role) for role in ROLES}
    made = await run(as_role["setup"], "setup", "--json")
    assert made.code == 0, made.err
    assert len(made.json["done"]) == 3
    await make_segments(database)
    async with (
        service(as_role["ingest"], ingest, relay_rejected),
        service(as_role["project"], project, relay_memberships),
    ):
        for role in ("publisher", "operator", "api"):
            sent = await run(as_role[role], *SEND)
            assert sent.code == 0, sent.err
        await publish(as_role["publisher"], [Said(b"not JSON")])
        waited = await run(as_role["operator"], "status", "--wait", "20")
        assert waited.code == 0, waited.err
