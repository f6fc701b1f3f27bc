"""`python -m benchmarks.plain_app PORT`: a minimal app that publishes commands over HTTP, for comparison.

FastAPI, pydantic and aiokafka on uvicorn with defaults (without access log): one static key, an idempotent producer
with acks=all, and none of the service's checks.
"""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "the one static key"
TOPIC = f"{os.environ.get('SEGMENTS_TOPIC_PREFIX', 'segments')}.commands"


class Command(BaseModel):
    """A command, with types only."""

    network_id: str | None = None
    user: str
    segment_id: int
    user_status: str
    metadata: dict[str, Any] | None = None
    reference_id: str | None = None
    status_change_timestamp: int | None = None
    description: str | None = None
    expires_at: int | None = None


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    servers = os.environ["SEGMENTS_KAFKA_BOOTSTRAP_SERVERS"]
    async with AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True
    ) as producer:
        app.state.producer = producer
        yield


app = FastAPI(lifespan=_lifespan)


@app.post("/networks/{network_id}/segments", status_code=201)
async def publish(
    network_id: str, command: Command, authorization: Annotated[str, Header()]
) -> dict[str, Any]:
    """Publish a command."""
    if authorization != f"Bearer {KEY}":
        raise HTTPException(401)
    sent = await app.state.producer.send_and_wait(
        TOPIC,
        command.model_copy(update={"network_id": network_id}).model_dump_json().encode(),
        f"{network_id}:{command.user}".encode(),
    )
    return {
        "status": "queued",
        "reference_id": command.reference_id,
        "topic": sent.topic,
        "partition": sent.partition,
        "offset": sent.offset,
    }


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning")
