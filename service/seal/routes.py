"""The log over HTTP as C2SP tlog-tiles serves it, for scope audit, and proofs of a network's records.

Checkpoints and entry bundles are made from the tables; tiles come from SEAL_DIR.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas.position import Position
from service.http.kit.auth import Admission  # noqa: TC001 - FastAPI reads it
from service.http.kit.negotiation import Accept, negotiate
from service.http.kit.parameters import PLAIN, Nothing, wrong
from service.http.kit.problems import Problem
from service.registry.api_keys import Scope
from service.runtime.errors import NotSealedError, NotThereError
from service.seal.folder import Folder
from service.seal.leaves import LeavesError, read_bundle
from service.seal.prove import prove, read_sealed
from service.seal.tree import TILE_WIDTH, Tile

if TYPE_CHECKING:
    import asyncpg

    from service.http.kit.access_log import AccessLog
    from service.http.kit.auth import Access
    from service.http.kit.database import SharedDatabase

PROOF = "/networks/{network_id}/results/proof"
_TEXT, _BYTES = "text/plain; charset=utf-8", "application/octet-stream"
_FRESH = {"Cache-Control": "no-store"}
# At most 18 digits: offsets are bigints, so that no tree has more tiles.
_NUMBER = re.compile(r"^((?:x[0-9]{3}/){0,5})([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?$")
_MOST_LEVEL = 63


class ProofQuery(BaseModel):
    """Of which record to give a proof."""

    model_config = ConfigDict(extra="forbid")

    position: Annotated[
        str, Query(description="topic:partition:epoch:offset; the epoch defaults to 0.")
    ]


Proof = Annotated[ProofQuery, Query()]
TilePath = Annotated[
    str,
    Path(
        description="The tile's number in groups of three digits, as `x001/234`, or `234.p/5`.",
        json_schema_extra={"pattern": _NUMBER.pattern},  # what is no number is not found, not wrong
    ),
]


def log_routes(access: Access, shared: SharedDatabase, accesses: AccessLog) -> APIRouter:
    """Return the routes. shared: with role segments_seal."""
    router = APIRouter(tags=["audit"])
    audits: Any = Depends(access.admits_of_any_network(Scope.AUDIT))
    reads: Any = Depends(access.admits(Scope.REPORT, Scope.AUDIT))
    text: Any = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, 404: {}}
    octets: Any = {
        200: {"content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}}},
        404: {},
    }  # fmt: skip
    options: Any = {"response_class": Response}

    @router.get(
        "/log/checkpoint", summary="The newest signed checkpoint", responses=text, **options
    )
    async def checkpoint(_: Nothing, admission: Admission = audits) -> Response:
        async with shared.transaction(admission.network_id, repeatable=True) as connection:
            last = (await _sealed(connection))[1]
        return Response(last["note"], media_type=_TEXT, headers=_FRESH)

    @router.get(
        "/log/tile/entries/{number:path}", summary="An entry bundle: up to 256 leaves",
        responses=octets, **options,
    )  # fmt: skip
    async def entries(_: Nothing, number: TilePath, admission: Admission = audits) -> Response:
        tile = _parse(0, number)
        first = tile.number * TILE_WIDTH
        async with shared.transaction(admission.network_id, repeatable=True) as connection:
            seal, last = await _sealed(connection)
            if first + tile.width > last["tree_size"]:
                raise _no_tile()
            try:
                leaves = await read_bundle(connection, seal["seal_id"], first, first + tile.width)
            except LeavesError as error:
                raise Problem(404, "log_altered", "rows are not those that were sealed") from error
        return _kept(b"".join([len(leaf).to_bytes(2) + leaf for leaf in leaves]))

    @router.get(
        "/log/tile/{level}/{number:path}", summary="A tile: up to 256 hashes",
        responses=octets, **options,
    )  # fmt: skip
    async def tile(
        _: Nothing,
        level: Annotated[int, Field(ge=0, le=_MOST_LEVEL), PLAIN, Path()],
        number: TilePath,
        admission: Admission = audits,
    ) -> Response:
        del admission
        wanted = _parse(level, number)
        try:
            return _kept(await asyncio.to_thread(_folder(shared).read_tile, wanted))
        except FileNotFoundError as error:
            raise _no_tile() from error

    @router.get(
        PROOF, summary="A proof that a record is in the log",
        responses=text | {406: {}}, **options,
    )  # fmt: skip
    async def proof(query: Proof, admission: Admission = reads, accept: Accept = None) -> Response:
        negotiate(accept, ("text/plain",))
        made = await make_proof(shared, admission.network_id, query.position)
        accesses.note(admission.key, "http", PROOF, rows=1)
        return Response(made, media_type=_TEXT, headers=_FRESH)

    return router


async def make_proof(shared: SharedDatabase, network_id: str, text: str) -> str:
    """Prove that a record of a network is in the log. text: its position. Raises: Problem 400, 404."""
    try:
        position = Position.parse(text)
    except ValueError as error:
        raise wrong("position", "must be topic:partition:epoch:offset") from error
    try:
        async with shared.transaction(network_id, repeatable=True) as connection:
            return await prove(connection, _folder(shared), position, network_id)
    except (NotThereError, NotSealedError) as error:
        raise _not_sealed("the network has no such record, or it is not sealed yet") from error


async def _sealed(connection: asyncpg.Connection[Any]) -> tuple[asyncpg.Record, asyncpg.Record]:
    """Return the seal that goes on, and its newest checkpoint. Raises: Problem 404."""
    seal, last = await read_sealed(connection)
    if not seal or not last:
        raise _not_sealed("nothing is sealed yet")
    return seal, last


def _folder(shared: SharedDatabase) -> Folder:
    """Return the folder of the tiles. Raises: Problem 404."""
    if (path := shared.settings.seal_dir) is None:
        raise _not_sealed("this server has no SEGMENTS_SEAL_DIR")
    return Folder(path)


def _parse(level: int, text: str) -> Tile:
    """Parse the number and the width of a tile. Raises: Problem 404."""
    match = _NUMBER.fullmatch(text)
    if match is None or match[1].startswith("x000"):
        raise _no_tile()
    width = int(match[3] or TILE_WIDTH)
    if width > TILE_WIDTH or (match[3] and width == TILE_WIDTH):
        raise _no_tile()
    return Tile(level, int(match[1].replace("x", "").replace("/", "") + match[2]), width)


def _kept(content: bytes) -> Response:
    """Respond with what never changes; it is for this key alone."""
    kept = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(content, media_type=_BYTES, headers=kept)


def _no_tile() -> Problem:
    return Problem(404, "not_found", "the log has no such tile")


def _not_sealed(detail: str) -> Problem:
    return Problem(404, "not_sealed", detail)
