"""Bodies of the calls that go through FastAPI: read after the key was looked at, as strictly as commands are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from schemas.command.json_text import escape
from schemas.command.refusal import FieldError, Reason, Refusal, describe
from service.http.kit import raw_request
from service.http.kit.problems import of_refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request

    from service.http.kit.in_flight import Place

_Model = TypeVar("_Model", bound=BaseModel)
_SAID = {
    "missing": "is required",
    "model_type": "must be a JSON object",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": "must be an integer, without fraction and exponent",
}


async def read_body(request: Request, model: type[_Model]) -> _Model:
    """Read a body of JSON in UTF-8, whatever its Content-Type. Raises: Problem 400, 408, 413 or 415.

    FastAPI would read it before it asks who is there, in any encoding, and answer too much of it as plain text.
    """
    place: Place = request.scope["state"]["place"]
    try:
        raw_request.check_head(request.headers.raw, raw_request.MAX_BODY)
        async with asyncio.timeout(place.seconds):
            body = await raw_request.read_whole(request.receive, raw_request.MAX_BODY, place)
        return model.model_validate_json(body)
    except Refusal as refusal:
        raise of_refusal(refusal) from refusal
    except TimeoutError:
        raise raw_request.too_slow(place) from None
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
    """Name each wrong field by its JSON pointer. faults: pydantic's, in the words that commands are refused in.

    what: what there is none of, where one too many was sent. skipped: how many parts of each place say nothing.
    """
    return [
        FieldError(
            "".join(f"/{escape(str(part))}" for part in fault["loc"][skipped:]), _said(fault, what)
        )
        for fault in faults
    ]


def _said(fault: Mapping[str, Any], what: str) -> str:
    if fault["type"] == "extra_forbidden":
        return f"there is no such {what}"
    message: str = (
        fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be", 1)
    )
    return _SAID.get(fault["type"], message)


def takes(model: type[BaseModel]) -> Mapping[str, Any]:
    """Say for OpenAPI what a call takes."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}
