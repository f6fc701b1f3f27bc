"""The command line: parses, calls one function, prints. Each module registers its commands on `main`."""

from segments.cli import (
    analysts,
    apply,
    inspect,
    keys,
    lanes,
    memberships,
    publish,
    registry,
    rejections,
    run,
    setup,
    sources,
)
from segments.cli.main import main

__all__ = [
    "analysts",
    "apply",
    "inspect",
    "keys",
    "lanes",
    "main",
    "memberships",
    "publish",
    "registry",
    "rejections",
    "run",
    "setup",
    "sources",
]
