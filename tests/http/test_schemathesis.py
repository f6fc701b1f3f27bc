"""The live API keeps what its OpenAPI document says, for whatever Schemathesis thinks of."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi import checks

from tests.http.client import Api, api_running
from tests.support.sizes import short_and_long

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
# Of these the document allows thousands of characters, which would make a head that no server reads (431).
TOKENS = {"cursor", "snapshot"}
LONGEST = 500


@short_and_long("examples", 8, 40)
async def test_every_operation_answers_as_the_document_says(ready: Settings, examples: int) -> None:
    async with api_running(ready.model_copy(update={"http_rate_limit": "99999999/second"})) as api:
        key = await api.key()
        found = await asyncio.to_thread(_run, api, key, examples)
    assert len({operation for operation, _ in found}) >= 9
    # Not only refusals were compared with the document.
    answered = {status for _, status in found}
    assert {200, 201, 207, 400, 403, 404, 409} <= answered
    assert found["POST /networks/{network_id}/segments", 201] > 0


def _run(api: Api, key: str, examples: int) -> Counter[tuple[str, int]]:
    """Call each operation with so many cases of each mode; returns how often each was answered with each status."""
    load_all_checks()
    schema = schemathesis.openapi.from_url(f"{api.url}/openapi.json")
    found: Counter[tuple[str, int]] = Counter()
    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]  # an error fails the test here
        for mode in MODES:
            _try(operation, mode, examples, key, found)
    return found


def _try(
    operation: Any, mode: Any, examples: int, key: str, found: Counter[tuple[str, int]]
) -> None:
    @hypothesis.settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(
        case=operation.as_strategy(generation_mode=mode), ours=hypothesis.strategies.integers(0, 9)
    )
    def holds(case: Any, ours: int) -> None:
        if ours:  # else a network of which the key learns nothing
            _make_known(case)
        for name in TOKENS & {*(case.query or ())}:
            if isinstance(case.query[name], str):
                case.query[name] = case.query[name][:LONGEST]
        answer = case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, checks=CHECKS)
        found[operation.label, answer.status_code] += 1

    # A call without anything to be wrong about has no negative case.
    if mode is schemathesis.GenerationMode.POSITIVE or operation.path_parameters or operation.body:
        holds()


def _make_known(case: Any) -> None:
    """Have it speak of network n, and of the segment that is there, where it speaks of any."""
    if "network_id" in (case.path_parameters or {}):
        case.path_parameters["network_id"] = "n"
    for one in case.body if isinstance(case.body, list) else [case.body]:
        if isinstance(one, dict) and isinstance(one.get("segment_id"), int) and "user" in one:
            one["segment_id"] = 1
            one.pop("network_id", None)
