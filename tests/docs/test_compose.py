"""compose.yaml says what the service understands, as far as that can be told without Docker."""

from __future__ import annotations

from typing import Any

import pytest

from segments.cli import main
from service.settings import PREFIX, Settings
from stack.kafka_jars import KAFKA_VERSION
from tests.docs.generated import ROOT

yaml = pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    return found


def ours(services: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in services.items() if "build" in service}


def test_each_variable_of_ours_is_a_setting(services: dict[str, Any]) -> None:
    for service in ours(services).values():
        given = service["environment"]
        assert set(given) <= {PREFIX + name.upper() for name in Settings.model_fields}
        fields = {name.removeprefix(PREFIX).lower(): value for name, value in given.items()}
        Settings.model_validate(fields)


def test_each_service_of_ours_runs_a_command_that_exists(services: dict[str, Any]) -> None:
    commands = {name: service["command"][0] for name, service in ours(services).items()}
    assert set(commands.values()) == {"setup", "api", "ingest", "project"}
    assert set(commands.values()) <= set(main.commands)


def test_two_of_each_role_wait_for_the_set_up_that_waits_for_healthy_servers(
    services: dict[str, Any],
) -> None:
    for name in ("ingest", "project"):
        assert services[name]["deploy"]["replicas"] == 2
        wanted = {"setup": {"condition": "service_completed_successfully"}}
        assert services[name]["depends_on"] == wanted
    for name in ("kafka", "postgres"):
        assert services[name]["healthcheck"]["test"]
        assert services["setup"]["depends_on"][name] == {"condition": "service_healthy"}


def test_the_servers_are_those_that_the_tests_use(services: dict[str, Any]) -> None:
    assert services["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
    assert f'"{services["postgres"]["image"]}"' in (ROOT / "stack" / "docker.py").read_text("utf-8")
