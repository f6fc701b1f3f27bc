"""The little that these tests say to a Kafka and a Postgres."""

import uuid

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def make_topic(servers: str) -> str:
    name = f"topic-{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1)])
    finally:
        await admin.close()
    return name


async def publish(servers: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def first_value(servers: str, topic: str) -> bytes:
    async with AIOKafkaConsumer(bootstrap_servers=servers) as consumer:
        lane = TopicPartition(topic, 0)
        consumer.assign([lane])
        await consumer.seek_to_beginning(lane)
        record = await consumer.getone()
        return bytes(record.value)


async def ask(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()
