"""Adding, blocking and resetting a user: previewed by a dry run, published as the API does, followed until it shows."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from projections.http.query_parameters import read_position
from schemas.command.refusal import Refusal
from segments.dashboard.definition import PATH as SEGMENT
from segments.dashboard.user import KeyPage, user_of
from segments.dashboard.visit import MOVED
from service.http.kit.parameters import wrong
from service.http.kit.problems import Problem, of_unpublished
from service.http.publishing.body import Item
from service.http.publishing.options import KEY_FORM, Options
from service.http.publishing.routes import Post
from service.kafka.publish import Sender
from service.registry.api_keys import Scope
from service.runtime.errors import SegmentsError

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route

    from segments.dashboard.visit import Pages, Visit

SOURCE = "dashboard"
STATUSES = ("add", "block", "reset")
# The fields of the form, as the preview hands them on.
FIELDS = ("user_status", "description", "reference_id", "expires")


def routes(pages: Pages) -> list[Route]:
    """Return the routes of a change to a user, and of following it."""
    page = _Commands(pages)
    return [
        pages.change(SEGMENT + "/user", Scope.PUBLISH, page.post),
        pages.show("/networks/{network_id}/sent", page.follow),
    ]


class _Commands:
    def __init__(self, pages: Pages) -> None:
        self._publishing = pages.services.publishing
        self._results = pages.services.results
        self._key_page = KeyPage(pages)

    async def post(self, visit: Visit) -> Response:
        """Preview a command, or send the previewed one."""
        fields = {name: visit.form.get(name, "") for name in FIELDS}
        # The same for each attempt to send what was previewed once, so that none counts twice.
        key = visit.field("idempotency_key") or f"dashboard:{uuid.uuid4()}"
        if not KEY_FORM.fullmatch(key):
            raise wrong("idempotency_key", "must be 1 to 255 printable ASCII")
        try:
            item = Item(_body(visit, fields), key)
            post = _post(visit, key)
            if visit.field("step") == "send":
                body, _ = await self._publishing.send(post, item)
            else:
                preview = await self._publishing.predict(post, item)
                return await self._key_page.show(
                    visit, fields=fields, preview=preview, idempotency_key=key
                )
        except (Problem, Refusal, SegmentsError) as error:
            problem = of_unpublished(error).without_frames()
            return await self._key_page.show(visit, problem, fields=fields, idempotency_key=key)
        position = f"{body['topic']}:{body['partition']}:{body['offset']}"
        return visit.go(
            visit.link("segments", visit.segment_id, "user", user=user_of(visit), sent=position)
        )

    async def follow(self, visit: Visit) -> Response:
        """Show what became of a command; htmx asks again while it is on its way."""
        position = visit.query("position") or ""
        result, _ = await self._results.at(visit.network_id, read_position(position))
        response = visit.page("sent.html", position=position, result=result.row)
        if result.row is not None and result.row["outcome"] != "queued":
            response.headers["HX-Trigger"] = MOVED
        return response


def _post(visit: Visit, key: str) -> Post:
    sender = Sender(SOURCE, visit.key.key_name, visit.request.scope["state"]["request_id"])
    return Post(
        visit.admission,
        Options(key, None, is_dry_run=False, wait_seconds=None, is_lines=False),
        sender,
    )


def _body(visit: Visit, fields: dict[str, str]) -> bytes:
    """Write the form as a command in JSON, which the API's parser reads. Raises: Problem 400."""
    if fields["user_status"] not in STATUSES:
        raise wrong("user_status", "choose add, block or reset")
    command: dict[str, Any] = {
        "user": user_of(visit),
        "segment_id": visit.segment_id,
        "user_status": fields["user_status"],
        "description": fields["description"].strip(),
        "reference_id": fields["reference_id"].strip(),
        "expires_at": _expiry(fields["expires"].strip()),
    }
    return json.dumps(command).encode()


def _expiry(text: str) -> int | None:
    """Read a time of a form, in UTC. Raises: Problem 400."""
    if not text:
        return None
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        raise wrong("expires_at", "must be a date and a time") from None
