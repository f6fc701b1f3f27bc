"""`python -m benchmarks.empty_app SERVER PORT`: a FastAPI app whose POST does nothing.

SERVER: `uvicorn`, as anybody runs it (without its log of requests), or `ours`, served as the API is.
"""

from __future__ import annotations

import asyncio
import sys

import uvicorn
import uvloop
from fastapi import FastAPI

from service.serving import serving

app = FastAPI()


@app.post("/networks/{network_id}/segments", status_code=201)
async def empty(network_id: str) -> dict[str, str]:
    """Take nothing, do nothing."""
    return {"network_id": network_id}


async def main(server: str, port: int) -> None:
    """Serve until killed."""
    if server == "uvicorn":
        await uvicorn.Server(
            uvicorn.Config(app, port=port, access_log=False, log_level="warning")
        ).serve()
        return
    async with serving(app, "127.0.0.1", port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
