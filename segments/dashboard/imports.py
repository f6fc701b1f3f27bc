"""Import of a file: uploaded, its columns matched, every line checked, then sent step by step."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from projections.queries.imports import read_lines as read_outcomes
from projections.queries.segments import SegmentFilter, list_sizes
from schemas.command.strict_reader import FIELDS
from segments.dashboard.csv_file import spreadsheet
from segments.dashboard.import_lines import COLUMNS, noted, shown
from segments.dashboard.import_options import read_defaults, read_options
from segments.dashboard.import_plan import (
    NEEDED,
    judge,
    lacking,
    read_heading,
    read_lines,
    storable,
)
from segments.dashboard.import_undo import plan_undo
from service.http.kit.parameters import wrong
from service.http.kit.problems import Problem, of_unpublished
from service.http.kit.shares import Shares
from service.http.publishing.body import Item
from service.http.publishing.options import Options
from service.http.publishing.routes import Post
from service.kafka.publish import Sender
from service.registry import imports
from service.registry.api_keys import Scope
from service.registry.imports import SentLine
from service.runtime.errors import SegmentsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.responses import Response
    from starlette.routing import Route

    from projections.queries.rows import Row
    from segments.dashboard.visit import Pages, Services, Visit
    from service.registry.imports import Import

PATH = "/networks/{network_id}/import"
ONE = PATH + "/{import_id}"
SOURCE = "import"
# Files that are read or checked at once, one of each network; and how long another waits for its turn.
FILES_AT_ONCE = 2
CHECK_SECONDS = 10.0
# Lines that one request sends; the page asks for the next ones.
PER_STEP = 500
NEWEST = 20
SEGMENTS = 500
_NDJSON = (".ndjson", ".jsonl", ".json")


def routes(pages: Pages) -> list[Route]:
    """Return the routes of imports."""
    page = _Imports(pages.services)
    return [
        pages.show(PATH, page.show_all),
        pages.change(PATH, Scope.PUBLISH, page.upload, takes_file=True),
        pages.show(ONE, page.show),
        pages.change(ONE, Scope.PUBLISH, page.match),
        pages.change(ONE + "/send", Scope.PUBLISH, page.start),
        pages.change(ONE + "/step", Scope.PUBLISH, page.step),
        pages.change(ONE + "/undo", Scope.PUBLISH, page.undo),
        pages.show(ONE + "/lines", page.download),
    ]


class _Imports:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._reading = services.reading
        self._checking = Shares(FILES_AT_ONCE)

    async def show_all(self, visit: Visit, problem: Problem | None = None) -> Response:
        """Show the form, and the imports of the last day."""
        async with self._reading.transaction(visit.network_id) as connection:
            newest = await imports.newest(connection, visit.network_id, NEWEST)
        return visit.page(
            "imports.html",
            status=problem.status if problem else 200,
            imports=newest,
            segments=await self._segments(visit),
            problem=problem,
            form=visit.form,
        )

    async def _segments(self, visit: Visit) -> list[Row]:
        """Return the segments to choose from."""
        current = SegmentFilter(archived=False, sort="name")
        async with self._reading.transaction(visit.network_id) as connection:
            return (await list_sizes(connection, visit.network_id, current, SEGMENTS)).segments

    async def upload(self, visit: Visit) -> Response:
        """Keep a file; check its lines if its columns need no matching."""
        try:
            name, content = visit.file
            if not content.strip():
                raise wrong("file", "choose a file that is not empty")
            is_table = not name.lower().endswith(_NDJSON) and not content.lstrip().startswith(b"{")
            options = read_options(visit) | {"is_table": is_table}
            async with self._checking.place(visit.network_id, CHECK_SECONDS):
                heading = await asyncio.to_thread(read_heading, content, visit.network_id, options)
            options |= heading._asdict()
        except Problem as problem:
            return await self.show_all(visit, problem)
        async with self._reading.transaction(visit.network_id) as connection:
            import_id = await imports.create(
                connection, network_id=visit.network_id, key_name=visit.key.key_name,
                file_name=name[:255] or "file", content=content, options=options,
            )  # fmt: skip
        if not (heading.unmatched or heading.needed):
            await self._judge(visit, await self._find(visit, import_id))
        return visit.go(visit.link("import", import_id))

    async def show(self, visit: Visit) -> Response:
        """Show how far an import is, and what comes next."""
        return await self._page(visit, await self._find(visit))

    async def match(self, visit: Visit) -> Response:
        """Check the lines with the columns as matched."""
        one = await self._find(visit)
        columns = {
            name.removeprefix("column:"): field
            for name, field in visit.form.items()
            if name.startswith("column:") and (field in FIELDS or not field)
        }
        try:
            one.options["defaults"] |= read_defaults(visit)[1]
        except Problem as problem:
            return await self._page(visit, one, problem)
        has = {*one.options.get("known", []), *one.options["defaults"], *columns.values()}
        is_asked = one.options.get("unmatched") or one.options.get("needed")
        if is_asked and (names := lacking(has)):
            lacks = Problem(400, "invalid_field", NEEDED[names[0]])
            return await self._page(visit, one, lacks)
        one.options["columns"] = columns
        await self._judge(visit, one)
        return visit.go(visit.link("import", one.import_id))

    async def start(self, visit: Visit) -> Response:
        """Begin to send what was checked."""
        one = await self._find(visit)
        summary = one.summary or {}
        replaced = summary.get("replaced") or {}
        if replaced.get("is_guarded") and visit.field("confirmed") is None:
            problem = wrong(
                "confirmed", "confirm that so many overrides are to be reset or changed"
            )
            return await self._page(visit, one, problem)
        if _sendable(one):
            async with self._reading.transaction(visit.network_id) as connection:
                await imports.start(connection, one)
        return visit.go(visit.link("import", one.import_id))

    async def step(self, visit: Visit) -> Response:
        """Send the next lines. What was sent before and not noted counts once."""
        one = await self._find(visit)
        if not one.is_started or one.finished_at is not None:
            return visit.go(visit.link("import", one.import_id))
        try:
            async with self._checking.place(visit.network_id, CHECK_SECONDS):
                some = await asyncio.to_thread(read_lines, one, one.sent_until, PER_STEP)
            items = [
                Item(line.value, key, line.number) for key, line in some if line.value is not None
            ]
            answers = (
                await self._services.publishing.send_many(_post(visit), items) if items else []
            )
        except (Problem, SegmentsError) as error:
            return await self._page(visit, one, of_unpublished(error).without_frames())
        sent, waits = noted(items, answers)
        faults = [
            SentLine(line.number, storable(line.fault)) for _, line in some if line.value is None
        ]
        until = max((line.number for _, line in some), default=one.sent_until)
        if waits is not None:
            until = (waits["line"] or 1) - 1
        lines = [line for line in (*sent, *faults) if line.line <= until]
        is_end = waits is None and len(some) < PER_STEP
        async with self._reading.transaction(visit.network_id) as connection:
            await imports.move(connection, one, lines, until, is_end=is_end)
        if waits is not None:
            problem = Problem(
                waits["status"], waits["reason"], waits["detail"], published="unknown"
            )
            return await self._page(visit, await self._find(visit), problem)
        return visit.go(visit.link("import", one.import_id))

    async def undo(self, visit: Visit) -> Response:
        """Show what would undo an import that was sent, as an import of its own."""
        one = await self._find(visit)
        if one.finished_at is None:
            return visit.go(visit.link("import", one.import_id))
        try:
            async with self._checking.place(visit.network_id, CHECK_SECONDS):
                import_id = await plan_undo(self._reading, visit, one)
        except Problem as problem:
            return await self._page(visit, one, problem)
        await self._judge(visit, await self._find(visit, import_id))
        return visit.go(visit.link("import", import_id))

    async def download(self, visit: Visit) -> Response:
        """Respond with what became of each line, as CSV."""
        one = await self._find(visit)
        self._services.accesses.note(visit.key, "page", ONE + "/lines")
        media_type, heading, encode = spreadsheet(COLUMNS)

        async def pieces() -> AsyncIterator[bytes]:
            yield heading
            after = 0
            while True:
                async with self._reading.transaction(visit.network_id) as connection:
                    rows = await read_outcomes(
                        connection, visit.network_id, one.import_id, after, PER_STEP
                    )
                if not rows:
                    return
                after = rows[-1]["line"]
                yield encode(map(shown, rows))

        name = f'attachment; filename="import-{one.created_at:%Y%m%d-%H%M%S}.csv"'
        return StreamingResponse(
            pieces(), media_type=media_type, headers={"Content-Disposition": name}
        )

    async def _find(self, visit: Visit, import_id: str | None = None) -> Import:
        """Find the import of the path. Raises: Problem 404."""
        import_id = import_id or visit.request.path_params["import_id"]
        async with self._reading.transaction(visit.network_id) as connection:
            one = await imports.find(connection, visit.network_id, import_id)
        if one is None:
            raise Problem(404, "not_found", "there is no such import: a file is kept for a day")
        return one

    async def _judge(self, visit: Visit, one: Import) -> None:
        async with self._checking.place(visit.network_id, CHECK_SECONDS):
            plan = await judge(self._services, _post(visit), one)
        async with self._reading.transaction(visit.network_id) as connection:
            await imports.change(connection, one, *plan)

    async def _page(self, visit: Visit, one: Import, problem: Problem | None = None) -> Response:
        needed = one.options.get("needed", []) if one.summary is None else []
        response = visit.page(
            "import.html",
            one=one,
            problem=problem,
            unmatched=one.options.get("unmatched", []),
            needed=needed,
            segments=await self._segments(visit) if "segment_id" in needed else [],
            fields=FIELDS,
            summary=one.summary,
            can_send=_sendable(one),
        )
        # htmx shows no page of an error, and this one goes on by itself.
        response.status_code = 200 if problem is None or one.is_started else problem.status
        return response


def _sendable(one: Import) -> bool:
    """Whether there is anything to send that was checked."""
    summary = one.summary
    if summary is None or one.is_started or summary.get("fault"):
        return False
    if one.options["mode"] == "replace" and summary["refused"]:
        return False
    outcomes: dict[str, int] = summary["outcomes"]
    return sum(outcomes.values()) > outcomes.get("rejected", 0)


def _post(visit: Visit) -> Post:
    sender = Sender(SOURCE, visit.key.key_name, visit.request.scope["state"]["request_id"])
    options = Options(None, None, is_dry_run=False, wait_seconds=None, is_lines=True)
    return Post(visit.admission, options, sender)
