"""Kafka over TLS and SASL: every role with its own login and just the ACLs that `setup --print` lists."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition

from schemas.acls import ROLES, Acl, acls
from schemas.topics import Topics
from segments.roles import INGEST, PROJECT
from service.ingest.role import ingest
from service.kafka.clients import partitions_there, producing, reading, set_up_topics, topic_faults
from service.kafka.transactional_producer import fencing_producer
from service.runtime.denied import DENIED
from service.runtime.errors import KafkaRefusedError
from service.runtime.secret import SecretStr
from stack import StackError
from stack.kafka_jars import java, kafka_jars
from tests.http.client import api_running, command_body
from tests.support.command_line import run
from tests.support.database import connected, make_segments
from tests.support.kafka import NewRecord, publish
from tests.support.roles import Process, processes, service
from tests.support.secured import Secured, allow, deny, secured, token
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.runtime.settings import Settings
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
    assert len(made.json["done"]) == 6  # five topics, and the claim of their ownership
    await make_segments(database)
    async with (
        service(as_role["ingest"], *INGEST),
        service(as_role["project"], *PROJECT),
        api_running(as_role["api"]) as api,
    ):
        for role in ("publisher", "operator"):
            sent = await run(as_role[role], *SEND)
            assert sent.code == 0, sent.err
        posted = await api.post(command_body(user="ann"), headers={"Prefer": "wait=30"})
        assert (posted.status_code, posted.json()["outcome"]) == (200, "applied")
        await publish(as_role["publisher"], [NewRecord(b"not JSON")])
        waited = await run(as_role["operator"], "status", "--wait", "300")
        assert waited.code == 0, waited.err
        async with connected(database) as connection:
            members = await connection.fetch("SELECT user_id FROM reporting.membership ORDER BY 1")
            assert [row["user_id"] for row in members] == ["ann", "jo@x.se"]
        topics = Topics(database.topic_prefix)
        for topic in (topics.rejected, topics.memberships):
            await holds(lambda topic=topic: _has_records(kafka.unrestricted(database), topic))
    assert (await run(as_role["operator"], "setup", "--check")).code == 0


async def _has_records(settings: Settings, topic: str) -> bool:
    partitions = [TopicPartition(topic, number) for number in range(settings.topic_partitions)]
    async with reading(settings) as reader:
        reader.assign(partitions)
        return any((await reader.end_offsets(partitions)).values())


async def _grow(settings: Settings) -> Any:
    return await set_up_topics(settings.model_copy(update={"topic_partitions": 5}))


async def _correct(settings: Settings) -> Any:
    return await set_up_topics(settings.model_copy(update={"topic_retention_days": 9}))


async def _send(settings: Settings) -> Any:
    async with producing(settings) as producer:
        await producer.send_and_wait(Topics(settings.topic_prefix).commands, b"{}")


async def _tell(settings: Settings) -> Any:
    topics = Topics(settings.topic_prefix)
    async with fencing_producer(settings, topics.transactional_id) as producer:
        await producer.publish(topics.memberships, [(b"key", b"{}", None)])


async def _take_over(settings: Settings) -> Any:
    async with fencing_producer(settings, Topics(settings.topic_prefix).transactional_id):
        pass


async def _ingest(settings: Settings) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            await ingest(settings, asyncio.Event())
    except* KafkaRefusedError as group:
        raise group.exceptions[0] from None


async def _read(settings: Settings) -> Any:
    lane = TopicPartition(Topics(settings.topic_prefix).commands, 0)
    async with reading(settings) as reader:
        reader.assign([lane])
        reader.seek(lane, 0)
        return await reader.getmany(timeout_ms=5000)


CASES: list[tuple[str, str, str, Any]] = [
    ("setup", "commands", "Create", set_up_topics),
    ("setup", "commands", "Alter", _grow),
    ("setup", "commands", "AlterConfigs", _correct),
    ("ingest", "commands", "Read", _ingest),
    ("ingest", "ingest_group", "Read", _ingest),
    ("ingest", "rejected", "DescribeConfigs", _ingest),
    ("project", "memberships", "Write", _tell),
    ("project", "transactional_id", "Write", _take_over),
    ("project", "memberships", "DescribeConfigs", topic_faults),
    ("project", "commands", "Write", _send),
    ("api", "commands", "Write", _send),
    ("api", "commands", "DescribeConfigs", topic_faults),
    ("publisher", "commands", "Write", _send),
    ("operator", "commands", "Read", _read),
    ("operator", "commands", "DescribeConfigs", topic_faults),
    ("operator", "rejected", "Describe", partitions_there),
    ("operator", "memberships", "Describe", partitions_there),
]


@pytest.mark.parametrize(
    ("role", "resource", "operation", "work"),
    CASES,
    ids=lambda case: getattr(case, "__name__", case),
)
async def test_without_one_of_its_acls_a_role_is_refused_at_once_and_told_why(
    kafka: Secured, database: Settings, role: str, resource: str, operation: Any, work: Any
) -> None:
    unrestricted = kafka.unrestricted(database)
    name = getattr(Topics(database.topic_prefix), resource)
    kind: Any = {"ingest_group": "group", "transactional_id": "transactional-id"}.get(
        resource, "topic"
    )
    await allow(unrestricted, [acl for acl in needed(database) if acl.role == role])
    pattern: Any = "literal" if kind == "topic" else "prefixed"
    await deny(unrestricted, Acl(role, kind, name, operation, pattern))
    if operation != "Create":
        await set_up_topics(unrestricted)
    if work is _ingest:
        await publish(unrestricted, [NewRecord(user="u", lane=0)])
    with pytest.raises((KafkaRefusedError, *DENIED), match=name.replace(".", r"\.")):
        await work(kafka.settings(database, role))


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"])
async def test_a_password_logs_in_and_a_wrong_one_ends_with_a_message(
    kafka: Secured, database: Settings, mechanism: str
) -> None:
    user = "ann" if mechanism == "PLAIN" else "publisher"
    given = kafka.settings(database, user, kafka_sasl_mechanism=mechanism)
    await set_up_topics(kafka.unrestricted(database))
    publishing = [acl for acl in needed(database) if acl.role == "publisher"]
    await allow(kafka.unrestricted(database), publishing, user)
    await make_segments(database)
    assert (await run(given, *SEND)).code == 0
    wrong = given.model_copy(update={"kafka_sasl_password": SecretStr("hunter2")})
    result = await run(wrong, *SEND)
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith("Error: Kafka refused the request. ")
    assert "uthentication failed" in result.err
    assert "hunter2" not in result.err


async def test_an_oauth_token_is_read_from_its_file_at_each_connection(
    kafka: Secured, database: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    given = kafka.settings(
        database, "-", kafka_sasl_mechanism="OAUTHBEARER", kafka_sasl_oauth_token_file=file
    )
    await set_up_topics(kafka.unrestricted(database))
    publishing = [acl for acl in needed(database) if acl.role == "publisher"]
    await allow(kafka.unrestricted(database), publishing, "service-7")
    async with producing(_with_token(given, file, token("service-7"))) as producer:
        await producer.send_and_wait(Topics(database.topic_prefix).commands, b"{}")
    for text, why in ((token("service-7", -60), "invalid_token"), ("", "empty"), (None, "No such")):
        with pytest.raises(KafkaRefusedError, match=why):
            async with producing(_with_token(given, file, text)):
                pass


def _with_token(settings: Settings, file: Path, text: str | None) -> Settings:
    if text is None:
        file.unlink()
    else:
        file.write_text(f"{text}\n", "utf-8")
    return settings


async def test_a_client_certificate_logs_in_and_its_absence_ends_with_a_message(
    kafka: Secured, database: Settings
) -> None:
    given = kafka.settings(
        database, "-", kafka_bootstrap_servers=kafka.mutual, kafka_security_protocol="SSL",
        kafka_ssl_certfile=kafka.certificate,
    )  # fmt: skip
    await set_up_topics(kafka.unrestricted(database))
    publishing = [acl for acl in needed(database) if acl.role == "publisher"]
    await allow(kafka.unrestricted(database), publishing, "client")
    await make_segments(database)
    assert (await run(given, *SEND)).code == 0
    result = await run(given.model_copy(update={"kafka_ssl_certfile": None}), *SEND)
    assert result.code == 1
    assert "Error: Kafka refused the request. " in result.err
    assert "SEGMENTS_KAFKA_SSL_CERTFILE" in result.err


async def test_a_broker_whose_authority_is_unknown_ends_with_a_message(
    kafka: Secured, database: Settings
) -> None:
    given = kafka.settings(database, "publisher", kafka_ssl_cafile=kafka.stranger)
    result = await run(given, *SEND)
    assert result.code == 1
    assert "Error: Kafka refused the request. " in result.err
    assert "is not trusted" in result.err
    assert "SEGMENTS_KAFKA_SSL_CAFILE" in result.err


@pytest.mark.parametrize("role", ["ingest", "project", "api"])
async def test_a_role_whose_login_is_refused_ends_with_exit_code_1(
    kafka: Secured, database: Settings, role: str
) -> None:
    given = kafka.settings(database, "nobody", kafka_sasl_password=SecretStr("hunter2"))
    with processes(given, role) as (process,):
        await holds(lambda: _ended(process))
        code, output = process.stop()
    assert code == 1
    assert "Kafka refused the request" in output


async def _ended(process: Process) -> bool:
    return not process.running


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ({"kafka_sasl_password": None}, "SEGMENTS_KAFKA_SASL_PASSWORD"),
        ({"kafka_sasl_mechanism": "OAUTHBEARER"}, "SEGMENTS_KAFKA_SASL_OAUTH_TOKEN_FILE"),
        ({"kafka_ssl_cafile": Path("/no/such/file")}, "SEGMENTS_KAFKA_SSL_CAFILE"),
        ({"kafka_ssl_certfile": Path(__file__)}, "SEGMENTS_KAFKA_SSL_CERTFILE"),
    ],
)
async def test_settings_that_can_not_log_in_are_wrong_use(
    kafka: Secured, database: Settings, missing: dict[str, Any], message: str
) -> None:
    result = await run(kafka.settings(database, "publisher", **missing), *SEND)
    assert result.code == 2
    assert message in result.err
