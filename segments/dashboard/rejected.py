"""Rejected records: groups by reason and topic, their records with how to mend them, and retries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from projections.queries.rejected import (
    NEWEST,
    RejectedGroup,
    RejectedPlace,
    read_group_days,
    read_groups,
    read_records,
)
from projections.queries.rows import read_reach
from schemas.command.refusal import Reason
from schemas.position import Position
from segments.dashboard.charts import draw
from segments.dashboard.mending import MENDING
from service.http.kit.parameters import wrong
from service.http.kit.problems import Problem, of_error
from service.operations.api_retries import may_retry
from service.operations.retries import NEVER
from service.registry.api_keys import Scope
from service.runtime.errors import SegmentsError

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route

    from segments.dashboard.visit import Pages, Visit

PATH = "/networks/{network_id}/rejected"
PER_PAGE = 50
DAYS = 30
# Records that one click retries.
RETRY_AT_ONCE = 100
SHOWN: dict[str, bool | None] = {"new": False, "retried": True, "all": None}


def routes(pages: Pages) -> list[Route]:
    """Return the routes of rejected records."""
    page = _Rejected(pages)
    return [
        pages.show(PATH, page.show),
        pages.change(PATH, Scope.PUBLISH, page.retry),
    ]


class _Rejected:
    def __init__(self, pages: Pages) -> None:
        self._services = pages.services
        self._looks = pages.looks

    async def show(self, visit: Visit) -> Response:
        """Show the groups, or one of them."""
        if visit.query("reason") is None:
            return await self._groups(visit)
        return await self._group(visit, _group(visit))

    async def _groups(self, visit: Visit) -> Response:
        today = datetime.now(UTC).date()
        since = today - timedelta(days=DAYS - 1)
        async with self._services.reading.transaction(
            visit.network_id, repeatable=True
        ) as connection:
            reach = await read_reach(connection, visit.network_id)
            groups = await read_groups(connection, visit.network_id, since)
            days = await read_group_days(connection, visit.network_id, since)
        for group in groups:
            of_day = days.get((group["reason"], group["topic"]), {})
            counts = [of_day.get(since + timedelta(days=nth), 0) for nth in range(DAYS)]
            group["spark"] = draw(counts, 90, 20)
        return visit.page("rejected.html", reach=reach, groups=groups, days=DAYS)

    async def _group(
        self, visit: Visit, group: RejectedGroup, problem: Problem | None = None
    ) -> Response:
        before, shown = _place(visit), visit.query("payload")
        async with self._services.reading.transaction(
            visit.network_id, repeatable=True
        ) as connection:
            reach = await read_reach(connection, visit.network_id)
            records = await read_records(connection, group, before, PER_PAGE + 1, shown)
        following = records[PER_PAGE - 1] if len(records) > PER_PAGE else None
        for record in records[:PER_PAGE]:
            if record["payload_text"] is not None:
                self._looks.note(
                    visit, PATH, record["segment_id"], record["user_id"], of=record["position"]
                )
        show = next(name for name, retried in SHOWN.items() if retried == group.retried)

        def to(**changed: object) -> str:
            return visit.link(
                "rejected",
                **({"reason": group.reason, "topic": group.topic, "show": show} | changed),
            )

        return visit.page(
            "rejected_group.html",
            reach=reach,
            status=problem.status if problem else 200,
            problem=problem,
            group=group,
            mending=MENDING[Reason(group.reason)],
            records=records[:PER_PAGE],
            following=following and ",".join(
                (following["recorded_at"].isoformat(), str(following["partition"]), str(following["kafka_offset"]))
            ),
            place=visit.query("before"),
            show=show,
            shows=tuple(SHOWN),
            at_once=RETRY_AT_ONCE,
            may_retry=may_retry(visit.key.scopes, group.reason),
            to=to,
        )  # fmt: skip

    async def retry(self, visit: Visit) -> Response:
        """Publish one record again, or the newest of a group that were not."""
        group = _group(visit)
        try:
            positions = await self._positions(visit, group)
            if len(positions) > 1:
                self._services.access.charge(visit.admission, len(positions))
            await self._services.retries.retry(visit.admission, positions, group.reason)
        except (Problem, SegmentsError) as error:
            return await self._group(visit, group, of_error(error))
        return visit.go(
            visit.link("rejected", reason=group.reason, topic=group.topic, show="retried")
        )

    async def _positions(self, visit: Visit, group: RejectedGroup) -> list[Position]:
        """Return what the form names. Raises: Problem 400, 403, 409."""
        if group.reason in NEVER:
            raise Problem(409, "refused", f"no record is retried: {NEVER[Reason(group.reason)]}")
        if not may_retry(visit.key.scopes, group.reason):
            raise Problem(403, "forbidden", "this reason takes a key with scope operate")
        text = visit.field("position")
        if text is not None:
            try:
                return [Position.parse(text)]
            except ValueError:
                raise wrong("position", "must be topic:partition:epoch:offset") from None
        async with self._services.reading.transaction(visit.network_id) as connection:
            new = group._replace(retried=False)
            records = await read_records(connection, new, NEWEST, RETRY_AT_ONCE)
        positions = [
            Position.parse(record["position"]) for record in records if record["has_payload"]
        ]
        if not positions:
            raise Problem(409, "nothing_to_retry", "all of these were retried, or have no payload")
        return positions


def _group(visit: Visit) -> RejectedGroup:
    """Read reason, topic and `show`. Raises: Problem 400."""
    reason, topic, show = visit.query("reason"), visit.query("topic"), visit.query("show") or "new"
    if reason not in list(Reason):
        raise wrong("reason", f"must be one of {', '.join(Reason)}")
    if topic is None:
        raise wrong("topic", "must be that of the records")
    if show not in SHOWN:
        raise wrong("show", f"must be one of {', '.join(SHOWN)}")
    return RejectedGroup(visit.network_id, reason, topic, SHOWN[show])


def _place(visit: Visit) -> RejectedPlace:
    """Return the place to continue before. Raises: Problem 400."""
    text = visit.query("before")
    if text is None:
        return NEWEST
    try:
        at, partition, offset = text.split(",")
        return RejectedPlace(
            datetime.fromisoformat(at).astimezone(UTC), int(partition[:9]), int(offset[:18])
        )
    except (ValueError, OverflowError):
        raise wrong("before", "is not a place in the group") from None
