"""All routes that read, in matching order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from projections.http.members import member_routes
from projections.http.results import result_routes
from projections.http.users import user_routes

if TYPE_CHECKING:
    from projections.http.results import ResultReader
    from service.http.kit.access_log import AccessLog
    from service.http.kit.auth import Access
    from service.http.kit.database import SharedDatabase


def reading_routes(
    access: Access, shared: SharedDatabase, results: ResultReader, accesses: AccessLog
) -> APIRouter:
    """Return the routes. shared: with role segments_api."""
    router = APIRouter()
    router.include_router(result_routes(access, results, accesses))
    # Explanations are matched before users, whose identifier may contain slashes.
    router.include_router(user_routes(access, shared, accesses))
    router.include_router(member_routes(access, shared, accesses))
    return router
