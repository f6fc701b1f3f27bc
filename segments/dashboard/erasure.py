"""Erasing a person: what it blanks is counted first, and the identifier typed once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from projections.http.query_parameters import is_user
from segments.dashboard.definition import checked
from segments.dashboard.user import user_of
from service.http.erasure_routes import NewErasure, erase_person, read_content
from service.http.kit.parameters import wrong
from service.http.kit.problems import Problem, of_error
from service.registry.api_keys import Scope
from service.registry.erasure import REMAINS
from service.runtime.errors import SegmentsError

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route

    from segments.dashboard.visit import Pages, Visit

PATH = "/networks/{network_id}/erasure"


def routes(pages: Pages) -> list[Route]:
    """Return the routes of an erasure."""
    services = pages.services

    async def show(visit: Visit, problem: Problem | None = None) -> Response:
        user = user_of(visit)
        if user is None:
            return visit.go(visit.link("user"))
        content = await read_content(services.reading, visit.network_id, user)
        return visit.page(
            "erasure.html",
            status=problem.status if problem else 200,
            user=user,
            content=content,
            remains=REMAINS,
            problem=problem,
            form=visit.form,
        )

    async def erase(visit: Visit) -> Response:
        """Erase, and go to the page of who remains."""
        try:
            user = user_of(visit)
            if user is None or _normal(visit.form.get("typed", "")) != user:
                raise wrong("typed", "type the user once more, as it is shown")
            new = checked(
                NewErasure, {"user": user, "reason": visit.form.get("reason", "").strip()}
            )
            services.erasure_rate.charge(visit.admission)
            receipt = await erase_person(services.reading, services.changing, visit.admission, new)
        except (Problem, SegmentsError) as error:
            return await show(visit, of_error(error))
        return visit.go(visit.link("user", user=receipt.erased_as, receipt="true"))

    return [pages.show(PATH, show), pages.change(PATH, Scope.ADMIN, erase)]


def _normal(text: str) -> str | None:
    try:
        return is_user(text.strip())
    except ValueError:
        return None
