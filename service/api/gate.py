"""What every request passes first: a bound on requests in flight, a time limit for bodies, a request id."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import TYPE_CHECKING

from service.api.problems import Problem, unavailable

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_SECONDS = 10.0
# A response of which a client takes nothing for so long is given up.
SEND_SECONDS = 30.0
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_HEADER = b"x-request-id"


class Gate:
    """ASGI middleware. In scope["state"]: request_id, as sent in X-Request-Id or made here."""

    def __init__(self, app: ASGIApp, in_flight: int) -> None:
        self._app = app
        self._most = in_flight
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer 503 when too many are in flight."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._now >= self._most and not scope["path"].startswith("/health/"):
            problem = unavailable("busy", "too many requests are in flight", "no")
            await problem.response()(scope, receive, send)
            return
        self._now += 1
        try:
            await self._pass(scope, receive, send)
        finally:
            self._now -= 1

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        request_id = sent if _REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex.encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        complete = False

        async def receive_in_time() -> Message:
            nonlocal complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise Problem(
                    408, "timeout", f"the body was not here within {BODY_SECONDS:.0f} s"
                ) from None
            complete = not message.get("more_body", False)
            return message

        async def send_in_time(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (_HEADER, request_id)]
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        await self._app(scope, receive_in_time, send_in_time)
