"""The Helm chart: what it renders for five installations is held in files, and is safe and understood."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft7Validator

from service.runtime.settings import PREFIX
from service.runtime.settings_fields import settings_fields
from tests.docs.generated import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHART = ROOT / "deploy" / "helm" / "segments"
EXAMPLES = sorted((ROOT / "deploy" / "helm" / "examples").glob("*.yaml"))
RENDERED = ROOT / "tests" / "deploy" / "chart"
WRITE = "SEGMENTS_WRITE_CHART"
# A helm that was built from source states an old version of Kubernetes otherwise.
KUBERNETES = ("--kube-version", "1.31.0")
of_each = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


def _helm(*words: str) -> str:
    program = shutil.which("helm")
    if program is None:
        pytest.skip("no helm; the files that it rendered are tested all the same")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _objects(example: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all((RENDERED / example.name).read_text("utf-8")) if one]


def _pods(example: Path) -> Iterator[dict[str, Any]]:
    for one in _objects(example):
        if one["kind"] in {"Deployment", "Job"}:
            yield one["spec"]["template"]["spec"]


@of_each
def test_helm_renders_what_is_held(example: Path) -> None:
    """SEGMENTS_WRITE_CHART=1 writes the files anew."""
    rendered = _helm(
        "template",
        "segments",
        str(CHART),
        *KUBERNETES,
        "--namespace",
        "default",
        "-f",
        str(example),
    )
    if os.environ.get(WRITE):
        (RENDERED / example.name).write_text(rendered, "utf-8")
    assert (RENDERED / example.name).read_text("utf-8") == rendered


@of_each
def test_helm_finds_no_fault(example: Path) -> None:
    _helm("lint", "--strict", *KUBERNETES, str(CHART), "-f", str(example))


@of_each
def test_the_values_are_as_the_schema_has_them(example: Path) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    Draft7Validator.check_schema(schema)
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    given = yaml.safe_load(example.read_text("utf-8"))
    merged = {**values, **given, "kafka": {**values["kafka"], **given["kafka"]}}
    assert [error.message for error in Draft7Validator(schema).iter_errors(merged)] == []
    wrong = {**merged, "kafak": {}}
    assert [error.validator for error in Draft7Validator(schema).iter_errors(wrong)] == [
        "additionalProperties"
    ]


@of_each
def test_no_pod_has_a_right_that_it_does_not_need(example: Path) -> None:
    pods = list(_pods(example))
    assert pods
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


@of_each
def test_each_variable_is_a_setting_and_no_secret_stands_in_the_chart(example: Path) -> None:
    known = {PREFIX + name.upper() for name in settings_fields()}
    secret = {f"{PREFIX}{name}" for name in
              ("DATABASE_URL", "SIGNING_KEY", "KAFKA_SASL_PASSWORD", "OIDC_CLIENT_SECRET")}  # fmt: skip
    for pod in _pods(example):
        for container in pod["containers"]:
            assert container["envFrom"] == [{"secretRef": {"name": "segments"}}]
            for variable in container["env"]:
                assert variable["name"] in known
                assert variable["name"] not in secret
                assert "value" in variable or "secretKeyRef" in variable["valueFrom"]


@of_each
def test_each_process_has_probes_and_a_name_for_its_port(example: Path) -> None:
    for one in _objects(example):
        if one["kind"] == "Deployment":
            (container,) = one["spec"]["template"]["spec"]["containers"]
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            given = {each["name"]: each.get("value") for each in container["env"]}
            assert str(ports["health"]) == given["SEGMENTS_HEALTH_PORT"]
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                assert container[probe]["httpGet"]["port"] in ports
            assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
            assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"


@of_each
def test_what_selects_pods_selects_some(example: Path) -> None:
    objects = _objects(example)
    labels = [
        one["spec"]["template"]["metadata"]["labels"]
        for one in objects
        if one["kind"] in {"Deployment", "Job"}
    ]
    for one in objects:
        selector = {
            "Service": lambda spec: spec["selector"],
            "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
            "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
            "Deployment": lambda spec: spec["selector"]["matchLabels"],
        }.get(one["kind"])
        if selector is not None:
            wanted = selector(one["spec"])
            assert any(wanted.items() <= has.items() for has in labels), one["metadata"]["name"]
