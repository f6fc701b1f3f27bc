"""The image's build in a plain folder: the RUN lines of the Dockerfile. No engine ran the Dockerfile itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.generated import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
STAGES = [f"FROM {stage}" for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PACKAGES = ("schemas", "service", "projections", "segments", "stack", "examples")
# An extra that the image does not have.
WITHOUT = {"projections.engines.with_spark"}
IMPORT_ALL = """
import importlib, json, pkgutil, sys
failed = {}
for package in sys.argv[1:]:
    for module in pkgutil.walk_packages([*importlib.import_module(package).__path__], f"{package}."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except Exception as error:
                failed[module.name] = repr(error)
print(json.dumps({"failed": failed, "modules": len(sys.modules), "from": sys.modules["segments"].__file__}))
"""


def labels() -> dict[str, str]:
    found = re.findall(r'org\.opencontainers\.image\.([a-z.]+)="([^"]*)"', STAGES[-1])
    return dict(found)


def test_the_labels_say_what_the_image_is_made_from() -> None:
    said = labels()
    assert said["version"] == PROJECT["version"]
    assert said["licenses"] == PROJECT["license"]["text"]
    base = re.match(r"FROM (\S+)@(sha256:[0-9a-f]{64})", STAGES[-1])
    assert base is not None
    assert (said["base.name"], said["base.digest"]) == (f"docker.io/library/{base[1]}", base[2])
    assert said["revision"] == "$REVISION"


def test_the_last_stage_installs_nothing_and_takes_what_the_first_one_made() -> None:
    assert "pip" not in re.sub(r"/app/\S+", "", STAGES[-1])
    assert set(re.findall(r"^COPY (.*)$", STAGES[-1], re.MULTILINE)) == {
        "--from=build /app/.venv /app/.venv",
        "--from=build /app/sbom.cdx.json /app/sbom.cdx.json",
    }
    assert re.search(r"^USER 10001$", STAGES[-1], re.MULTILINE)


def locked() -> dict[str, str]:
    """Return the versions of the runtime lock's packages for this platform."""
    lines = (ROOT / "requirements.lock").read_text("utf-8").replace("\\\n", "").splitlines()
    wanted = [Requirement(line.partition(" --hash")[0]) for line in lines if line[:1].isalpha()]
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in wanted
        if one.marker is None or one.marker.evaluate()
    }


def check_imports(python: list[Any], folder: Path, **environment: str) -> None:
    """Import every module of the service with this Python, and expect none but the extra's to fail."""
    done = subprocess.run(
        [*python, "-c", IMPORT_ALL, *PACKAGES], capture_output=True, text=True, check=True, cwd=folder, env=environment,
    )  # fmt: skip
    imported = json.loads(done.stdout)
    assert imported["from"].startswith(str(folder))
    assert set(imported["failed"]) == WITHOUT, imported["failed"]


def test_every_module_is_imported_with_the_packages_of_the_runtime_lock_alone(
    tmp_path: Path,
) -> None:
    """As cheap as a folder of links to the installed packages is."""
    assert len(locked()) > 50
    for name, version in locked().items():
        package = distribution(name)
        assert package.version == version
        for part in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
            link = tmp_path / part
            if not link.exists():
                link.symlink_to(str(package.locate_file(part)))
    for name in PACKAGES:
        (tmp_path / name).symlink_to(ROOT / name)
    check_imports([sys.executable, "-S"], tmp_path, PYTHONPATH=str(tmp_path))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the RUN lines of the first stage were run, with its paths put below it."""
    root = tmp_path_factory.mktemp("image")
    (root / "app").mkdir()
    for name in ("requirements.lock", "requirements-build.lock"):
        shutil.copy(ROOT / name, root / "app")
    left_out = shutil.ignore_patterns(*(ROOT / ".dockerignore").read_text().split(), "__pycache__")
    shutil.copytree(ROOT, root / "source", ignore=left_out)
    for line in re.findall(r"^RUN (.*)$", STAGES[0], re.MULTILINE):
        # With pip's cache, which the image must not keep.
        command = line.replace(" --no-cache-dir", "").replace("python -m", f"{sys.executable} -m")
        command = re.sub(r"(?<![\w.])/(app|build|source|wheels)\b", rf"{root}/\1", command)
        done = subprocess.run(
            ["sh", "-ec", command], cwd=root / "app", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return root


@pytest.mark.chaos
def test_the_built_environment_runs_the_command_and_lists_what_it_has(built: Path) -> None:
    binaries = built / "app" / ".venv" / "bin"
    version = subprocess.check_output([binaries / "segments", "--version"], text=True, env={})
    assert PROJECT["version"] in version
    check_imports([binaries / "python"], built)
    sbom = json.loads((built / "app" / "sbom.cdx.json").read_text("utf-8"))
    assert sbom["bomFormat"] == "CycloneDX"
    listed = {canonicalize_name(one["name"]): one["version"] for one in sbom["components"]}
    assert listed == locked() | {"segments": PROJECT["version"]}
