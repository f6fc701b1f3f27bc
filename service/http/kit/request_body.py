"""Request bodies: read after authorization, within limits of size and time, without content encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from schemas.command.json_text import escape
from schemas.command.refusal import FieldError, Reason, Refusal, describe
from service.http.kit.problems import Problem, of_refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request
    from starlette.types import Receive

    from service.http.kit.in_flight import Place

MAX_BODY = 64 * 1024
MAX_BATCH_BODY = 4 * 1024 * 1024
_Model = TypeVar("_Model", bound=BaseModel)
_MESSAGES = {
    "missing": "is required",
    "model_type": "must be a JSON object",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": "must be an integer, without fraction and exponent",
}


async def read_body(request: Request, limit: int = MAX_BODY) -> bytes:
    """Read a body of at most `limit` bytes.

    Raises: Problem 400 (it ends too early), 408, 413, 415 (RFC 9110, section 15.5.16) or 503.
    """
    for name, value in request.scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise _too_large(limit)
        if name == b"content-encoding":
            for coding in value.split(b","):
                if coding.strip().lower() not in (b"", b"identity"):
                    raise _encoded()
    place: Place = request.scope["state"]["place"]
    try:
        with place.body_time.block():
            return await _read_whole(request.receive, limit, place)
    except TimeoutError:
        detail = f"the body did not arrive within {place.seconds:g} s"
        raise Problem(408, "timeout", detail) from None


async def _read_whole(receive: Receive, limit: int, place: Place) -> bytes:
    """Read a body; its place counts the bytes as they arrive."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise of_refusal(Refusal(Reason.NOT_JSON, "the body ends too early"))
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        if part:
            place.hold(len(part))
            parts.append(part)
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> Problem:
    error = FieldError("", f"the body must be at most {limit} bytes")
    return of_refusal(Refusal(Reason.TOO_LARGE, describe([error], whole=""), [error]))


def _encoded() -> Problem:
    detail = "content codings are not supported: send the body without Content-Encoding"
    return Problem(415, "unsupported_encoding", detail, headers={"Accept-Encoding": "identity"})


async def read_model(request: Request, model: type[_Model]) -> _Model:
    """Read a body of JSON in UTF-8, whatever its Content-Type, as strictly as commands are read.

    FastAPI would read it before authorization and in any encoding, and would answer a body that is too large in plain
    text. Raises: Problem, as `read_body`.
    """
    body = await read_body(request)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        if faults[0]["type"] == "json_invalid":
            raise of_refusal(Refusal(Reason.NOT_JSON, faults[0]["msg"])) from error
        errors = field_errors(faults)
        detail = describe(errors, whole="the body")
        raise of_refusal(Refusal(Reason.INVALID_FIELD, detail, errors)) from error


def field_errors(
    faults: Iterable[Mapping[str, Any]], what: str = "field", skipped: int = 0
) -> list[FieldError]:
    """Name each wrong field by its JSON pointer, in the wording of refused commands. faults: pydantic's errors.

    what: the noun for an unknown member, as in "there is no such field". skipped: how many leading parts of each
    location to omit.
    """
    return [
        FieldError(
            "".join(f"/{escape(str(part))}" for part in fault["loc"][skipped:]),
            _message(fault, what),
        )
        for fault in faults
    ]


def _message(fault: Mapping[str, Any], what: str) -> str:
    if fault["type"] == "extra_forbidden":
        return f"there is no such {what}"
    message: str = (
        fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be", 1)
    )
    return _MESSAGES.get(fault["type"], message)


def takes(model: type[BaseModel]) -> Mapping[str, Any]:
    """Describe a JSON body for OpenAPI."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}
