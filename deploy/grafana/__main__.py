"""Writes each dashboard beside this module: python -m deploy.grafana."""

from __future__ import annotations

import json
from pathlib import Path

from deploy.grafana.boards import BOARDS, render

FOLDER = Path(__file__).parent

for board in BOARDS:
    path = FOLDER / f"{board.uid.removeprefix('segments-')}.json"
    path.write_text(json.dumps(render(board), indent=2) + "\n", "utf-8")
