"""A small OpenID Connect provider: everybody who comes is somebody at once."""

from __future__ import annotations

import asyncio
import hashlib
import time
from base64 import urlsafe_b64encode
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from stack.ports import free_port
from tests.support.waiting import holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request


class Issuer:
    """The provider. claims: of whoever signs in next. faults: parts of an id token to replace."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.claims: dict[str, Any] = {}
        self.faults: dict[str, Any] = {}
        self._key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self._codes: dict[str, dict[str, str]] = {}

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.discovery),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/jwks", self.jwks),
            ]
        )

    async def discovery(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{back}")

    async def token(self, request: Request) -> Response:
        sent = {
            name: values[0] for name, values in parse_qs((await request.body()).decode()).items()
        }
        asked = self._codes.pop(sent["code"], None)
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        proof = urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or proof != asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": asked["client_id"], "sub": "subject-1", "iat": now, "exp": now + 60,
            "nonce": asked["nonce"], **self.claims, **self.faults,
        }  # fmt: skip
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self._key)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": token})

    async def jwks(self, _: Request) -> Response:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})


async def _is(server: uvicorn.Server) -> bool:
    return server.started


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    """Run a provider while the block runs."""
    port = free_port()
    # Another site than the dashboard, which is at 127.0.0.1.
    issuer = Issuer(f"http://localhost:{port}")
    server = uvicorn.Server(
        uvicorn.Config(issuer.app(), port=port, log_level="warning", lifespan="off")
    )
    running = asyncio.ensure_future(server.serve())
    try:
        await holds(lambda: _is(server))
        yield issuer
    finally:
        server.should_exit = True
        await running
