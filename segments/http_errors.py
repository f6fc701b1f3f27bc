"""Every error of an HTTP request as a problem, those of the framework too."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

from schemas.command.refusal import Reason, Refusal, describe
from service.http.kit.problems import Problem, of_error, of_refusal
from service.http.kit.request_body import field_errors
from service.runtime.errors import SegmentsError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

_REASONS = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def handle_errors(app: FastAPI) -> None:
    """Return every error as a problem."""

    @app.exception_handler(Problem)
    @app.exception_handler(SegmentsError)
    async def expected(_request: Request, error: Problem | SegmentsError) -> Response:
        return of_error(error).without_frames().response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        return _invalid(error).response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return _of_framework(app, request, error).response()

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, error: Exception) -> Response:
        return of_error(error).response()


def _of_framework(app: FastAPI, request: Request, error: HTTPException) -> Problem:
    """Return the problem for an error of the framework, with more detail than its one phrase."""
    reason = _REASONS.get(error.status_code, "invalid_request")
    detail, headers = str(error.detail), dict(error.headers or {})
    path = request.url.path
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        methods = sorted(_methods(app, path) or {"GET", "HEAD"})  # of files
        headers["Allow"] = ", ".join(methods)
        *others, last = methods
        which = f"{', '.join(others)} and {last} go" if others else f"{last} goes"
        detail = f"only {which} here"
    elif error.status_code == HTTPStatus.NOT_FOUND:
        detail = "there is no such path; /docs has those that there are"
        right = path.rstrip("/")
        if right != path and _methods(app, right):
            detail = f"there is no such path; use it without the trailing slash: {right}"
    return Problem(error.status_code, reason, detail, headers=headers)


def _methods(app: FastAPI, path: str) -> set[str]:
    """Return the methods of a path; empty if there is no such path, or only a mounted folder of files."""
    scope = {"type": "http", "path": path, "root_path": "", "headers": []}
    methods = {
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(
            route.matches(scope | {"method": method})[0] is Match.FULL
            for route in app.routes
            if not isinstance(route, Mount)
        )
    }
    return methods | ({"HEAD"} if "GET" in methods else set())


def _invalid(error: RequestValidationError) -> Problem:
    """400 with each wrong parameter or field; FastAPI would return 422."""
    errors = field_errors(error.errors(), "parameter", skipped=1)
    return of_refusal(Refusal(Reason.INVALID_FIELD, describe(errors, whole=""), errors))
