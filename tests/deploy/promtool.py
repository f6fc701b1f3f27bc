"""Prometheus's own checker."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def promtool(*words: str, folder: Path) -> None:
    """Run promtool in a folder; skip without one, except in CI, and fail with what it prints if it finds a fault."""
    program = shutil.which("promtool")
    if program is None and not os.environ.get("CI"):
        pytest.skip("no promtool; on Debian and Ubuntu: apt-get install prometheus")
    assert program is not None
    done = subprocess.run(
        [program, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
