"""A route that FastAPI documents and does not run, and the response of its endpoint."""

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

    FastAPI's parameters, models, exit stacks and middleware would cost more than the endpoint itself. The route needs
    none of them, and turns errors into problems itself.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.app = self._run

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint; an error becomes a problem, `published: no` unless the publisher has set it."""
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
