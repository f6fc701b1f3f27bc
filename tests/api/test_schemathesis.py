"""The live API keeps what its OpenAPI document says, for whatever Schemathesis thinks of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi import checks

from tests.api.client import Api, api_running

if TYPE_CHECKING:
    from service.settings import Settings

pytestmark = pytest.mark.stack
EXAMPLES = 10
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


async def test_every_operation_answers_as_the_document_says(ready: Settings) -> None:
    async with api_running(ready.model_copy(update={"http_rate_limit": "99999999/second"})) as api:
        key = await api.key()
        assert await asyncio.to_thread(_run, api, key) >= 7


def _run(api: Api, key: str) -> int:
    """Call each operation with made-up cases; gives how many operations there were."""
    load_all_checks()
    schema = schemathesis.openapi.from_url(f"{api.url}/openapi.json")
    operations = 0
    for result in schema.get_all_operations():
        _try(result.ok(), key)  # type: ignore[union-attr]  # an error fails the test here
        operations += 1
    return operations


def _try(operation: Any, key: str) -> None:
    @hypothesis.settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(case=operation.as_strategy())
    def holds(case: Any) -> None:
        if "network_id" in (case.path_parameters or {}):
            case.path_parameters["network_id"] = "n"
        case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, checks=CHECKS)

    holds()
