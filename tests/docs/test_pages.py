"""Whatever a user can meet is explained on its page, and every link leads somewhere."""

from __future__ import annotations

import ast
import fnmatch
import re
from typing import TYPE_CHECKING

import pytest
from prometheus_client.metrics import MetricWrapperBase

from examples.cdnow.reading import VIEWS
from schemas.command.refusal import Reason
from schemas.command.rules import UserStatus
from schemas.command.strict_reader import FIELDS
from schemas.headers import READ
from service.runtime import telemetry
from tests.docs.generated import DOCS, ROOT
from tests.docs.pages import PAGES, anchors, blocks, prose, read

if TYPE_CHECKING:
    from pathlib import Path

TOP = (
    "analytics",
    "benchmarks",
    "clients",
    "deploy",
    "docs",
    "examples",
    "projections",
    "schemas",
    "segments",
    "service",
    "stack",
    "tests",
)
OUTCOMES = ("queued", "applied", "no_change", "ineffective", "superseded", "duplicate", "rejected")
STATUSES = {status.text for status in UserStatus if status is not UserStatus.EXPIRE}


@pytest.mark.parametrize("word", [*FIELDS, *sorted(READ), *sorted(STATUSES)])
def test_the_command_format_has_a_row_for_each_field_header_and_status(word: str) -> None:
    assert f"\n| `{word}` |" in read("docs/publishers/command-format.md")


@pytest.mark.parametrize("word", [*OUTCOMES, *Reason])
def test_the_outcomes_page_has_a_row_for_each_outcome_and_reason(word: str) -> None:
    assert f"\n| `{word}` |" in read("docs/publishers/outcomes.md")


def test_the_reasons_are_listed_in_the_order_in_which_they_are_checked() -> None:
    _, _, part = read("docs/publishers/outcomes.md").partition("\n## Rejection reasons\n")
    rows = re.findall(r"^\| `(\w+)` \|", part.partition("\n## ")[0], re.MULTILINE)
    assert rows == list(Reason)


def test_the_metrics_page_has_a_row_for_each_metric() -> None:
    names = {
        family.name + ("_total" if family.type == "counter" else "")
        for metric in vars(telemetry).values()
        if isinstance(metric, MetricWrapperBase)
        for family in metric.describe()
    }
    assert names
    rows = set(re.findall(r"^\| `(segments_\w+)", read("docs/operators/metrics.md"), re.MULTILINE))
    assert rows == names


def logged(path: Path) -> set[str]:
    """List what a module logs as a warning or an error."""
    tree = ast.parse(path.read_text("utf-8"))
    return {
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in {"warning", "error", "exception", "critical"}
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "log"
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def test_the_log_lines_page_has_a_row_for_each_warning_and_error() -> None:
    found = {
        event
        for folder in ("service", "projections", "segments")
        for path in (ROOT / folder).rglob("*.py")
        for event in logged(path)
    }
    assert found
    page = read("docs/operators/log-lines.md")
    assert [event for event in sorted(found) if f"\n| `{event}` |" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text("utf-8"))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = page.parent / path if path else page
        assert found.exists(), f"{page.relative_to(ROOT)}: {target}"
        if anchor:
            assert anchor in anchors(found), f"{page.relative_to(ROOT)}: {target}"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, to_read = {ROOT / "README.md"}, [ROOT / "README.md"]
    while to_read:
        page = to_read.pop()
        for target in re.findall(r"\]\(([^)#\s]+)", prose(page.read_text("utf-8"))):
            found = (page.parent / target).resolve()
            if found.suffix == ".md" and found not in reached and found.exists():
                reached.add(found)
                to_read.append(found)
    assert [page for page in PAGES if page not in reached] == []


def test_the_index_lists_every_page_but_single_decisions() -> None:
    listed = set(re.findall(r"\]\(([^)#\s]+)\)", read("docs/README.md")))
    pages = {str(page.relative_to(DOCS)) for page in PAGES if page.is_relative_to(DOCS)}
    decisions = {page for page in pages if page.startswith("decisions/")}
    assert pages - decisions - {"README.md"} | {"decisions/README.md"} <= listed


def test_the_make_targets_that_pages_name_exist() -> None:
    makefile = read("Makefile")
    for page in PAGES:
        for target in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE):
            assert f"\n{target}:" in makefile, f"{page.relative_to(ROOT)}: make {target}"


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_file_and_package_that_contributors_are_sent_to_exists(page: str) -> None:
    there = [f"/{path.relative_to(ROOT)}" for top in TOP for path in (ROOT / top).rglob("*")]
    named = re.findall(rf"`([\w./*-]+\.(?:py|sql|md|txt)|(?:{'|'.join(TOP)})/[\w./]+)`", read(page))
    assert named
    missing = {name for name in named if not fnmatch.filter(there, f"*/{name.rstrip('/')}")}
    # Those two are examples of migrations to come.
    assert missing <= {"0002_override_received_at.sql", "schemas/migrations/NNNN_what.sql"}


def test_the_readme_opens_with_the_two_commands() -> None:
    first = blocks(read("README.md"), "sh")[0]
    assert [line.split("#")[0].strip() for line in first.splitlines()] == ["make run", "make test"]


def test_what_make_run_shows_is_a_look_at_each_view() -> None:
    views = set(re.findall(r"^## (\w+)$", read("docs/analysts/views.md"), re.MULTILINE))
    # segment_size is compared with the file, row by row
    assert views == set(VIEWS) | {"segment_size"}
