"""Files that pages load: stylesheets and scripts, each under a URL that changes with its content."""

from __future__ import annotations

import hashlib
from functools import cache
from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.requests import Request

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FOR_EVER = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """A file, its media type, and a part of its SHA-256 in hex."""

    body: bytes
    media_type: str
    version: str


@cache
def assets() -> dict[str, Asset]:
    """Read all files, by their path below the folder of assets."""
    found = {}
    for folder, prefix in (
        (resources.files("segments.dashboard") / "assets", ""),
        (resources.files("segments.dashboard") / "assets" / "third_party", "third_party/"),
    ):
        for entry in folder.iterdir():
            suffix = entry.name.rpartition(".")[2]
            if entry.is_file() and suffix in _TYPES:
                body = entry.read_bytes()
                version = hashlib.sha256(body).hexdigest()[:16]
                found[prefix + entry.name] = Asset(body, _TYPES[suffix], version)
    return found


def asset_url(name: str) -> str:
    """Return the URL of a file; it may be cached for ever."""
    return f"/admin/assets/{name}?v={assets()[name].version}"


async def serve_asset(request: Request) -> Response:
    """Serve a file; no key is needed."""
    asset = assets().get(request.path_params["name"])
    if asset is None:
        return Response(status_code=HTTPStatus.NOT_FOUND)
    is_current = request.query_params.get("v") == asset.version
    caching = _FOR_EVER if is_current else "no-cache"
    return Response(asset.body, media_type=asset.media_type, headers={"Cache-Control": caching})
