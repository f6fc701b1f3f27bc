"""Forms as browsers send them: fields, at most one file, and from this service only."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from starlette.formparsers import MultiPartException, MultiPartParser

from projections.http.query_parameters import is_text
from service.http.kit.parameters import wrong
from service.http.kit.problems import Problem
from service.http.kit.request_body import MAX_BATCH_BODY, read_body

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

MAX_FIELDS = 50


def refuse_foreign(request: Request) -> None:
    """Refuse a form that another site sends. Raises: Problem 403."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    is_own = site == "same-origin" if site else origin is None or _is_own(request, origin)
    if not is_own:
        raise Problem(403, "forbidden", "this form was sent by another site")


def _is_own(request: Request, origin: str) -> bool:
    return urlsplit(origin).netloc == request.headers.get("host")


async def read_form(request: Request) -> dict[str, str]:
    """Read a form, with plain line breaks. Raises: Problem 400, or as `read_body`."""
    body = await read_body(request)
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"
        )
        return {name: is_text(value.replace("\r\n", "\n")) for name, value in pairs}
    except ValueError:
        raise wrong("", "the form can't be read") from None


async def read_upload(request: Request) -> tuple[dict[str, str], tuple[str, bytes]]:
    """Read a form with at most one file; return its fields, and the name and bytes of the file.

    Raises: Problem 400, or as `read_body`.
    """
    body = await read_body(request, MAX_BATCH_BODY)

    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    fields: dict[str, str] = {}
    file = ("", b"")
    try:
        parser = MultiPartParser(request.headers, whole(), max_files=1, max_fields=MAX_FIELDS)
        form = await parser.parse()
        for name, value in form.multi_items():
            if isinstance(value, str):
                fields[name] = is_text(value.replace("\r\n", "\n"))
            else:
                file = (is_text(value.filename or ""), await value.read())
        await form.close()
    except (MultiPartException, KeyError, ValueError):
        raise wrong("", "the form can't be read") from None
    return fields, file
