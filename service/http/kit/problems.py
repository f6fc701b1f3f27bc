"""Errors over HTTP, as problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from schemas.command.refusal import FieldError, Reason, Refusal, describe
from service.registry.checks import UNKNOWN_SEGMENT
from service.runtime.errors import (
    DatabaseAwayError,
    NameTakenError,
    NoIdLeftError,
    SegmentsError,
    SnapshotError,
    TaskRunningError,
    TooManySegmentsError,
    UnknownKeyError,
    UnknownSegmentError,
    UnknownTaskError,
)
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Scope

log = get_logger("api")
MEDIA_TYPE = "application/problem+json"
# With these statuses a client can't tell whether its command is in Kafka.
IN_DOUBT = (408, 429, 503)
RETRY_AFTER_SECONDS = 2
_STATUS = {
    Reason.TOO_LARGE: 413,
    Reason.NOT_ALLOWED: 403,
    Reason.UNKNOWN_SEGMENT: 404,
    Reason.SEGMENT_ARCHIVED: 409,
}
_OF_REGISTRY: dict[type[Exception], tuple[int, str, str]] = {
    TaskRunningError: (409, "task_running", "another task has not ended yet"),
    UnknownTaskError: (404, "unknown_task", "there is no such task, or it has ended"),
    UnknownKeyError: (404, "unknown_key", "there is no such API key"),
    UnknownSegmentError: (_STATUS[Reason.UNKNOWN_SEGMENT], *UNKNOWN_SEGMENT),
    NameTakenError: (409, "name_taken", "a segment of this network has that name or id already"),
    NoIdLeftError: (409, "no_id_left", "the highest id is taken: give a segment_id"),
    TooManySegmentsError: (
        409,
        "too_many_segments",
        "the network has as many segments as it may have, archived ones among them",
    ),
}


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """A request that is answered with an error.

    reason: a word for programs. errors: each wrong field by JSON pointer. published: for a command without an
    acknowledgement, `no` (it is not in Kafka and never will be) or `unknown`; None for requests that publish nothing.
    more: further members of the problem.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        published: str | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(reason, detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.errors = tuple(errors)
        self.published = published
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def without_frames(self) -> Problem:
        """Drop the frames that it was raised in: they refer to the body that was read, in a reference cycle."""
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self

    def body(self, under: str = "", line: int | None = None) -> dict[str, Any]:
        """Return the members of the problem.

        under: the JSON pointer of the batch item that it concerns. line: the item's line, in a batch of lines.
        """
        detail = describe(self.errors, under=under) if self.errors and under else self.detail
        body: dict[str, Any] = {
            "type": f"urn:segments:problem:{self.reason}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": detail if line is None else f"line {line}: {detail}",
            "reason": self.reason,
        }
        if line is not None:
            body["line"] = line
        if self.errors:
            body["errors"] = [
                {"pointer": f"{under}{error.pointer}", "detail": error.message}
                for error in self.errors
            ]
        if self.published is not None:
            body["published"] = self.published
        return body | self.more

    def response(self) -> Response:
        """Return the response."""
        return Response(
            msgspec.json.encode(self.body()), self.status, self.headers, media_type=MEDIA_TYPE
        )


def of_refusal(refusal: Refusal) -> Problem:
    """Turn a refused command into a problem: 413, 403, 404 or 409 if `_STATUS` has its reason, else 400."""
    return Problem(
        _STATUS.get(refusal.reason, 400),
        refusal.reason.value,
        refusal.detail,
        errors=refusal.errors,
    )


def unavailable(
    reason: str,
    detail: str,
    published: str | None = None,
    *,
    retry_after: int = RETRY_AFTER_SECONDS,
) -> Problem:
    """Return a 503 with Retry-After, in seconds."""
    return Problem(
        503, reason, detail, published=published, headers={"Retry-After": str(retry_after)}
    )


def of_error(error: Exception) -> Problem:
    """Turn an error of the service into a problem; an unexpected one becomes 500."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Refusal):
        return of_refusal(error)
    if isinstance(error, DatabaseAwayError):
        return unavailable("database_away", "the database is unavailable")
    if isinstance(error, SnapshotError):
        errors = [FieldError("/snapshot", error.args[0])]
        return of_refusal(Refusal(Reason.INVALID_FIELD, describe(errors, whole=""), errors))
    if (registry_problem := _OF_REGISTRY.get(type(error))) is not None:
        status, reason, detail = registry_problem
        # The error's argument names the segment that has the name or id.
        which = f" {error.args[0]}" if isinstance(error, NameTakenError) else ""
        return Problem(status, reason, f"{detail}{which}")
    return Problem(500, "internal", "internal error; the server's log has the details")


def log_unexpected(scope: Scope, error: Exception, *, has_begun: bool = False) -> None:
    """Log an error that a request raised, unless it is expected; in one line if it cut off a response."""
    place = {"path": scope["path"], "request_id": scope["state"]["request_id"]}
    cause = error.__cause__ if isinstance(error, RuntimeError) else error
    if has_begun and isinstance(cause, Problem | SegmentsError | OSError | ClientDisconnect):
        log.warning("a response was cut off", because=f"{type(cause).__name__}: {cause}", **place)
    elif not isinstance(error, Problem | SegmentsError):
        log.error("a request failed", exc_info=error, **place)


def of_unpublished(error: Exception) -> Problem:
    """Turn an error raised before publishing into a problem with `published: no`, if its status leaves that open.

    An error that already has `published` keeps it.
    """
    problem = of_error(error)
    if problem.published is None and problem.status in IN_DOUBT:
        problem.published = "no"
    return problem
