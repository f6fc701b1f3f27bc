"""Signing in by an API key or by a link that works once, and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from segments.dashboard.forms import read_form, refuse_foreign
from segments.dashboard.oidc import provider_name
from segments.dashboard.rendering import path, render
from segments.dashboard.sessions import delete_cookie, set_cookie
from segments.dashboard.visit import guarded
from service.http.kit.problems import Problem
from service.registry.api_keys import Scope, read_key
from service.registry.segments import list_networks

if TYPE_CHECKING:
    from starlette.requests import Request

    from segments.dashboard.visit import Pages, Visit
    from service.http.kit.key_cache import KeyCache
    from service.registry.api_keys import ApiKey

MOST_NETWORKS = 1_000


def routes(pages: Pages, keys: KeyCache) -> list[Route]:
    """Return the routes of signing in and out."""
    page = _SignIn(pages, keys)
    return [
        Route("/sign-in", guarded(page.show), methods=["GET"]),
        Route("/sign-in", guarded(page.by_key), methods=["POST"]),
        Route("/sign-in/link", guarded(page.show_link), methods=["GET"]),
        Route("/sign-in/link", guarded(page.by_link), methods=["POST"]),
        pages.change("/sign-out", Scope.REPORT, page.sign_out),
        pages.show("/", page.home),
        pages.show("/networks", page.networks),
    ]


class _SignIn:
    def __init__(self, pages: Pages, keys: KeyCache) -> None:
        self._sessions = pages.services.sessions
        self._access = pages.services.access
        self._operating = pages.services.operating
        self._keys = keys
        self._provider = provider_name(pages.services.settings)

    async def home(self, visit: Visit) -> Response:
        """Go to the first page of the session's network, or ask for the network if there are several."""
        return visit.go(path("networks") if len(visit.networks) > 1 else visit.link("segments"))

    async def networks(self, visit: Visit) -> Response:
        """Show the networks of the session; an operator has all of them."""
        networks = visit.networks
        if Scope.OPERATE in visit.key.scopes:
            async with self._operating.transaction(visit.network_id) as connection:
                networks = sorted({*networks, *await list_networks(connection, MOST_NETWORKS)})
        return visit.page("networks.html", networks=networks)

    async def show(self, request: Request) -> Response:
        """Ask for a key."""
        return self._form(_destination(request.query_params.get("next")))

    async def by_key(self, request: Request) -> Response:
        """Begin a session of a key that may read its network."""
        refuse_foreign(request)
        form = await read_form(request)
        destination = _destination(form.get("next"))
        sent = read_key(form.get("key", "").strip())
        key = await self._keys.find(sent)
        if key is None:
            return self._form(
                destination, "There is no such key, or it is revoked or expired.", 401
            )
        if Scope.REPORT not in key.scopes:
            return self._form(destination, "Use a key with scope report.", 403)
        return await self._begin(request, key, destination)

    async def _begin(self, request: Request, key: ApiKey, destination: str | None) -> Response:
        """Count the sign-in against the key's rate, and begin a session."""
        self._access.admit_key(request.scope["state"], key, key.network_id, Scope.REPORT)
        response = RedirectResponse(destination or path(""), 303)
        set_cookie(request, response, await self._sessions.open(key))
        return response

    def _form(
        self, destination: str | None, fault: str | None = None, status: int = 200
    ) -> Response:
        context = {"next": destination, "fault": fault, "provider": self._provider}
        return HTMLResponse(render("sign_in.html", context), status)

    async def show_link(self, request: Request) -> Response:
        """Ask for a click, because programs that look at links must not use this one up."""
        link = request.query_params.get("link", "")
        return HTMLResponse(render("sign_in_link.html", {"link": link}))

    async def by_link(self, request: Request) -> Response:
        """Begin the session of a link."""
        refuse_foreign(request)
        form = await read_form(request)
        token = await self._sessions.open_by_link(form.get("link", ""))
        if token is None:
            raise Problem(
                403,
                "forbidden",
                "this link was used already, or is too old: ask for another, or sign in by a key",
            )
        response = RedirectResponse(path(""), 303)
        set_cookie(request, response, token)
        return response

    async def sign_out(self, visit: Visit) -> Response:
        """End the session."""
        await self._sessions.end(visit.token)
        response = visit.go(path("sign-in"))
        delete_cookie(response)
        return response


def _destination(url: str | None) -> str | None:
    """Return a page of the dashboard to go to; None for anything else, so that no link leads elsewhere."""
    is_page = (
        url is not None and url.startswith("/admin/") and "\\" not in url and url.isprintable()
    )
    return url if is_page and ".." not in (url or "") and "//" not in (url or "") else None
