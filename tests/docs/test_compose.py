"""compose.yaml says what the service understands, as far as that can be told without Docker."""

from __future__ import annotations

import re
from typing import Any

import pytest

from segments.cli import main
from service.runtime.environment import read_settings
from service.runtime.settings import PREFIX
from service.runtime.settings_fields import settings_fields
from stack.kafka_jars import KAFKA_VERSION
from tests.docs.generated import ROOT

REQUIRED = re.compile(r"\$\{([A-Z_]+):\?[^}]+\}")
GIVEN = "3b1f0c9a7d5e2468ace013579bdf8642"  # as `openssl rand -hex` makes them
DIGEST = re.compile(r":[0-9]+\.[0-9]+[^@]*@sha256:[0-9a-f]{64}$")
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
        assert set(given) <= {PREFIX + name.upper() for name in settings_fields()}
        fields = {name.removeprefix(PREFIX).lower(): value for name, value in given.items()}
        # Whoever runs it gives the secrets.
        read_settings(**{name: REQUIRED.sub(GIVEN, value) for name, value in fields.items()})


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
    images = {name: services[name]["image"].partition("@")[0] for name in ("kafka", "postgres")}
    assert images["kafka"] == f"apache/kafka:{KAFKA_VERSION}"
    assert f'"{images["postgres"]}"' in (ROOT / "stack" / "docker.py").read_text("utf-8")


def test_no_secret_stands_in_the_file_and_each_is_asked_for() -> None:
    text = (ROOT / "compose.yaml").read_text("utf-8")
    assert set(REQUIRED.findall(text)) == {"OWNER_PASSWORD", "SERVICE_PASSWORD", "SIGNING_KEY"}
    for line in text.splitlines():
        if re.search(r"PASSWORD[: ]|_KEY:|://[a-z_]+:[^@ ]+@", line) and not line.startswith("#"):
            assert REQUIRED.search(line), line


def test_each_image_is_pinned_by_a_full_version_and_its_digest(services: dict[str, Any]) -> None:
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    images = [*bases, *(services[name]["image"] for name in ("kafka", "postgres"))]
    assert len(set(images)) == 3
    for image in images:
        assert DIGEST.search(image), image


def test_the_image_holds_nothing_of_the_development(services: dict[str, Any]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    assert "requirements-dev" not in dockerfile
    runtime, dev = (
        set(re.findall(r"^([a-z0-9-]+)[=\[]", (ROOT / name).read_text("utf-8"), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert runtime < dev
    assert not runtime & {"pytest", "hypothesis", "mypy", "ruff", "testcontainers", "trustme"}
    for service in ours(services).values():
        assert service["read_only"], "nothing is written into a container"
