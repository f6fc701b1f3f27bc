"""The definition of a segment: made, edited, archived, restored, and what it was before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from starlette.convertors import IntegerConvertor, register_url_convertor

from projections.queries.rows import read_reach
from projections.queries.segments import read_segment, read_versions
from schemas.command.refusal import Reason, Refusal, describe
from segments.dashboard.segment_list import PATH as SEGMENTS
from service.http.kit.problems import Problem, of_error, of_refusal
from service.http.kit.request_body import field_errors
from service.http.registry_routes import (
    NewSegment,
    SegmentChange,
    change_segment,
    create_segment,
)
from service.registry.api_keys import Scope
from service.runtime.errors import SegmentsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response
    from starlette.routing import Route

    from projections.queries.rows import Row
    from segments.dashboard.visit import Pages, Visit


class _Number(IntegerConvertor):
    """An integer of at most ten digits, `{segment_id:number}`; int() raises for thousands of them."""

    regex = "[0-9]{1,10}"


register_url_convertor("number", _Number())
PATH = SEGMENTS + "/{segment_id:number}"
VERSIONS = 100
_FIELDS = ("segment_name", "description", "is_visible", "archived")


def routes(pages: Pages) -> list[Route]:
    """Return the routes of making and changing segments."""
    page = _Definition(pages)
    return [
        pages.show("/networks/{network_id}/new-segment", page.new),
        pages.change("/networks/{network_id}/new-segment", Scope.ADMIN, page.create),
        pages.show(PATH + "/definition", page.show),
        pages.change(PATH + "/definition", Scope.ADMIN, page.edit),
        pages.change(PATH + "/archived", Scope.ADMIN, page.archive),
    ]


class _Definition:
    def __init__(self, pages: Pages) -> None:
        self._services = pages.services

    async def new(self, visit: Visit) -> Response:
        """Show a form, with the id of the URL if it has one."""
        form = {"segment_id": visit.query("segment_id") or ""}
        return visit.page("new_segment.html", form=form, problem=None)

    async def create(self, visit: Visit) -> Response:
        """Make a segment, and go to its page."""
        given: dict[str, Any] = {"name": visit.form.get("name", "").strip(), "description": visit.field("description"),
            "is_visible": visit.field("hidden") is None}  # fmt: skip
        services = self._services
        try:
            number = visit.field("segment_id")
            if number is not None:
                given["segment_id"] = (
                    int(number) if number.isascii() and number.isdigit() else number
                )
            new = checked(NewSegment, given)
            services.registry_rate.charge(visit.admission)
            async with services.changing.transaction(visit.network_id) as connection:
                made = await create_segment(
                    connection, visit.admission, new, services.settings.segments_per_network
                )
        except (Problem, SegmentsError) as error:
            problem = of_error(error)
            return visit.page(
                "new_segment.html", status=problem.status, form=visit.form, problem=problem
            )
        return visit.go(visit.link("segments", made.segment_id))

    async def show(self, visit: Visit) -> Response:
        """Show the form of a segment, and its versions."""
        return await self._page(visit)

    async def edit(self, visit: Visit) -> Response:
        """Change name, description and visibility."""
        given = {"name": visit.form.get("name", "").strip(), "description": visit.field("description"),
            "is_visible": visit.field("hidden") is None, "reason": visit.field("reason")}  # fmt: skip
        return await self._change(visit, given)

    async def archive(self, visit: Visit) -> Response:
        """Archive a segment, or restore it."""
        given = {"archived": visit.field("archived") == "true", "reason": visit.field("reason")}
        return await self._change(visit, given)

    async def _change(self, visit: Visit, given: dict[str, Any]) -> Response:
        try:
            change = checked(SegmentChange, given)
            self._services.registry_rate.charge(visit.admission)
            async with self._services.changing.transaction(visit.network_id) as connection:
                await change_segment(connection, visit.admission, visit.segment_id, change)
        except (Problem, SegmentsError) as error:
            return await self._page(visit, of_error(error))
        return visit.go(visit.link("segments", visit.segment_id, "definition"))

    async def _page(self, visit: Visit, problem: Problem | None = None) -> Response:
        async with self._services.reading.transaction(
            visit.network_id, repeatable=True
        ) as connection:
            reach = await read_reach(connection, visit.network_id)
            segment = await read_segment(connection, visit.network_id, visit.segment_id)
            versions = await read_versions(
                connection, visit.network_id, visit.segment_id, VERSIONS + 1
            )
        return visit.page(
            "definition.html",
            reach=reach,
            status=problem.status if problem else 200,
            segment=segment,
            versions=compared(versions)[:VERSIONS],
            problem=problem,
            form=visit.form,
        )


def checked(model: type[BaseModel], given: dict[str, Any]) -> Any:
    """Validate the fields of a form as the API validates a body. Raises: Problem 400."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        errors = field_errors(
            error.errors(include_url=False, include_context=False, include_input=False)
        )
        detail = describe(errors, whole="the form")
        raise of_refusal(Refusal(Reason.INVALID_FIELD, detail, errors)) from None


def compared(versions: Sequence[Row]) -> list[Row]:
    """Add to each version what it changed: by field, the value before and after. versions: newest first."""
    result = []
    for version, before in zip(versions, [*versions[1:], None], strict=True):
        changed = {
            name: (before[name], version[name])
            for name in _FIELDS
            if before is not None and before[name] != version[name]
        }
        result.append(version | {"changed": changed, "is_first": before is None})
    return result
