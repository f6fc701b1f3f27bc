"""All routes that read, in the order in which they are to be matched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from projections.http.members import member_routes
from projections.http.results import result_routes
from projections.http.users import user_routes

if TYPE_CHECKING:
    from projections.http.outcomes import AskTopics
    from projections.http.queued import Queued
    from projections.http.queued_search import QueuedSearch
    from service.http.kit.auth import Access
    from service.http.kit.database import SharedDatabase


def reading_routes(
    access: Access,
    shared: SharedDatabase,
    queued: Queued,
    queued_search: QueuedSearch,
    topics: AskTopics,
) -> APIRouter:
    """Give the routes. shared: acts as segments_api. topics: says which topics some names are now, or were last."""
    router = APIRouter()
    router.include_router(result_routes(access, shared, queued, queued_search, topics))
    router.include_router(user_routes(access, shared))  # explanations before users of any spelling
    router.include_router(member_routes(access, shared))
    return router
