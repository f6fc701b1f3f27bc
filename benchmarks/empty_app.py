"""`python -m benchmarks.empty_app PORT`: a FastAPI app whose POST does nothing, served as the API is."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from fastapi import FastAPI

from service.serving import serving

app = FastAPI()


@app.post("/networks/{network_id}/segments", status_code=201)
async def empty(network_id: str) -> dict[str, str]:
    """Take nothing, do nothing."""
    return {"network_id": network_id}


async def main(port: int) -> None:
    """Serve until killed."""
    async with serving(app, "127.0.0.1", port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
