"""A proof that a command is in the sealed log, as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from service.seal.routes import make_proof

if TYPE_CHECKING:
    from starlette.routing import Route

    from segments.dashboard.visit import Pages, Visit

PATH = "/networks/{network_id}/proof"


def routes(pages: Pages) -> list[Route]:
    """Return the route."""
    services = pages.services

    async def proof(visit: Visit) -> Response:
        made = await make_proof(services.sealed, visit.network_id, visit.query("position") or "")
        services.accesses.note(visit.key, "page", PATH, rows=1)
        headers = {"Content-Disposition": 'attachment; filename="command.tlog-proof"'}
        return Response(made, media_type="text/plain; charset=utf-8", headers=headers)

    return [pages.show(PATH, proof)]
