"""A route that FastAPI documents and does not run, and the response that its endpoint gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi.routing import APIRoute
from starlette.requests import Request

from service.http.kit.problems import log_unexpected, of_unpublished

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send


class Answer(NamedTuple):
    """A response in JSON. headers: as ASGI has them, without those that describe the body."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class PublishingRoute(APIRoute):
    """A route that FastAPI documents and does not run: `app` calls the endpoint with the bare request.

    It needs nothing of FastAPI, whose parameters, models, exit stacks and middleware cost more than all that the
    endpoint does. So it can be called without them, and returns its errors as problems itself.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.app = self._run

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint. What it raises says that nothing was published, unless it says otherwise.

        Once a command was published it raises only what the publisher says of it.
        """
        try:
            status, body, headers = await self.endpoint(Request(scope, receive))
        except Exception as error:  # noqa: BLE001 - every error is returned as a problem
            log_unexpected(scope, error)
            response = of_unpublished(error).without_frames().response()
            status, body, headers = response.status_code, bytes(response.body), response.raw_headers
        else:
            length = b"%d" % len(body)
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", length),
                *headers,
            ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
