"""All routes that read, in matching order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from projections.http.members import member_routes
from projections.http.operations import operations_routes
from projections.http.rejected import rejected_routes
from projections.http.results import result_routes
from projections.http.tasks import task_routes
from projections.http.trail import trail_routes
from projections.http.users import user_routes

if TYPE_CHECKING:
    from projections.http.results import ResultReader
    from service.http.kit.access_log import AccessLog
    from service.http.kit.auth import Access
    from service.http.kit.database import SharedDatabase
    from service.operations.api_retries import Retries


def reading_routes(
    access: Access,
    shared: SharedDatabase,
    changing: SharedDatabase,
    operating: SharedDatabase,
    sealed: SharedDatabase,
    results: ResultReader,
    retries: Retries,
    accesses: AccessLog,
) -> APIRouter:
    """Return the routes.

    shared: with role segments_api; changing: segments_registry; operating: segments_operate;
    sealed: segments_seal.
    """
    router = APIRouter()
    router.include_router(result_routes(access, results, accesses))
    # Explanations are matched before users, whose identifier may contain slashes.
    router.include_router(user_routes(access, shared, accesses))
    router.include_router(member_routes(access, shared, accesses))
    router.include_router(rejected_routes(access, shared, retries, accesses))
    router.include_router(trail_routes(access, shared, accesses))
    router.include_router(operations_routes(access, shared, changing))
    router.include_router(task_routes(access, shared, operating, sealed))
    return router
