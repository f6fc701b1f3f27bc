"""Signing in at an OpenID Connect provider: groups give the networks and what one may do in each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from httpx2 import HTTPError
from joserfc.errors import JoseError
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route

from segments.dashboard.rendering import path, render
from segments.dashboard.sessions import scheme_of, set_cookie
from segments.dashboard.visit import guarded
from service.http.kit.problems import Problem, unavailable
from service.registry.api_keys import create_key
from service.registry.oidc_groups import read_groups, rights_of
from service.registry.sessions import LIFETIME
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from segments.dashboard.visit import Services
    from service.registry.api_keys import ApiKey
    from service.runtime.settings import Settings

log = get_logger("dashboard")
# The cookie that remembers a sign-in under way.
COOKIE = "segments_oidc"
SECONDS = 600
ACTOR = "oidc"
_DISCOVERY = "/.well-known/openid-configuration"


def provider_name(settings: Settings) -> str | None:
    """Return the host of the provider; None without one."""
    return urlsplit(settings.oidc_issuer).netloc if settings.oidc_issuer else None


def routes(services: Services) -> list[Mount]:
    """Return the routes of the provider; none without one."""
    settings = services.settings
    if settings.oidc_issuer is None or settings.oidc_client_secret is None:
        return []
    page = _Oidc(services)
    remembering = Middleware(
        SessionMiddleware,
        secret_key=settings.oidc_client_secret.get_secret_value(),
        session_cookie=COOKIE,
        max_age=SECONDS,
        path="/admin/sign-in/oidc",
        same_site="lax",  # one comes back from another site
        https_only=settings.oidc_issuer.startswith("https:"),
    )
    return [
        Mount(
            "/sign-in/oidc",
            routes=[
                Route("/start", guarded(page.start), methods=["GET"]),
                Route("/callback", guarded(page.finish), methods=["GET"]),
            ],
            middleware=[remembering],
        )
    ]


class _Oidc:
    def __init__(self, services: Services) -> None:
        settings = services.settings
        self._services = services
        self._groups = read_groups(settings.oidc_groups or "")
        self._claim = settings.oidc_groups_claim
        secret = settings.oidc_client_secret
        self._client: Any = OAuth().register(
            "segments",
            server_metadata_url=f"{(settings.oidc_issuer or '').rstrip('/')}{_DISCOVERY}",
            client_id=settings.oidc_client_id,
            client_secret=secret and secret.get_secret_value(),
            client_kwargs={
                "scope": settings.oidc_scope,
                "code_challenge_method": "S256",
                "timeout": 10,
            },
        )

    async def start(self, request: Request) -> Response:
        """Send a browser to the provider."""
        callback = f"{scheme_of(request)}://{request.headers['host']}/admin/sign-in/oidc/callback"
        try:
            response: Response = await self._client.authorize_redirect(request, callback)
        except (HTTPError, AuthlibBaseError, ValueError) as error:
            raise _away(error) from error
        return response

    async def finish(self, request: Request) -> Response:
        """Begin a session of who comes back, with a key for each network that the groups give."""
        try:
            token = await self._client.authorize_access_token(request)
            claims: Mapping[str, Any] = token["userinfo"]
        except (AuthlibBaseError, JoseError, KeyError) as error:
            log.warning("a sign-in failed", error=str(error))
            raise Problem(
                403, "forbidden", "the provider did not confirm this sign-in: begin again"
            ) from error
        except (HTTPError, ValueError) as error:
            raise _away(error) from error
        rights = rights_of(self._groups, _groups(claims.get(self._claim)))
        if not rights:
            raise Problem(403, "forbidden", "none of your groups may see a network")
        name = _name(claims)
        expires_at = datetime.now(UTC) + LIFETIME
        keys: list[ApiKey] = []
        for network_id, scopes in sorted(rights.items()):
            async with self._services.changing.transaction(network_id) as connection:
                key, _ = await create_key(
                    connection, network_id=network_id, scopes=scopes, name=name,
                    expires_at=expires_at, actor=ACTOR,
                )  # fmt: skip
            keys.append(key)
        # A page, not a redirect: after one that another site began, the browser keeps the strict cookie to itself.
        response = HTMLResponse(render("signed_in.html", {"url": path("")}))
        set_cookie(request, response, await self._services.sessions.open(*keys))
        return response


def _groups(claim: Any) -> list[str]:
    """Return the groups of a claim: one, or a list."""
    groups = claim if isinstance(claim, list) else [claim]
    return [group for group in groups if isinstance(group, str)]


def _name(claims: Mapping[str, Any]) -> str:
    """Return the name that is recorded: the email if the provider has verified it, else the subject."""
    email = claims.get("email")
    if email and claims.get("email_verified") in (True, "true"):
        return str(email)[:255]
    return str(claims["sub"])[:255]


def _away(error: Exception) -> Problem:
    log.warning("the OIDC provider failed", error=f"{type(error).__name__}: {error}")
    return unavailable("oidc_away", "the sign-in provider does not answer")
