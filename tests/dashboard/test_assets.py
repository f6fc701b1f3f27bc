"""What browsers load: known versions of foreign files with their licences, and little of it."""

from __future__ import annotations

import hashlib
import json
import re
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from tests.dashboard.visitor import visiting

if TYPE_CHECKING:
    from tests.http.client import Api

FOLDER = resources.files("segments.dashboard") / "assets" / "third_party"
MANIFEST = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
FIRST_LOAD = 100 * 1024


def test_every_foreign_file_is_the_one_that_the_manifest_names() -> None:
    for entry in MANIFEST:
        body = (FOLDER / entry["file"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == entry["sha256"], entry["file"]
        assert entry["package_integrity"].startswith("sha512-")
        assert (FOLDER / entry["licence_file"]).read_text("utf-8").strip()


def test_there_is_no_foreign_file_but_those() -> None:
    named = {entry["file"] for entry in MANIFEST} | {entry["licence_file"] for entry in MANIFEST}
    assert {entry.name for entry in FOLDER.iterdir()} == named | {"manifest.json"}


def test_foreign_files_fetch_nothing_and_htmx_is_of_the_version_named() -> None:
    (htmx,) = (entry for entry in MANIFEST if entry["package"] == "htmx.org")
    text = (FOLDER / htmx["file"]).read_text("utf-8")
    assert f'"{htmx["version"]}"' in text
    for entry in MANIFEST:
        assert "url(" not in (FOLDER / entry["file"]).read_text("utf-8")
        assert "@import" not in (FOLDER / entry["file"]).read_text("utf-8")


@pytest.mark.stack
async def test_a_first_load_is_small_and_a_second_loads_no_file(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        page = await visitor.get("segments")
        urls = re.findall(r'(?:src|href)="(/admin/assets/[^"]+)"', page.text)
        loaded = len(page.content)
        for url in urls:
            answer = await visitor.client.get(url)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            loaded += len(answer.content)
        assert loaded < FIRST_LOAD
        assert page.headers["cache-control"] == "no-store"


@pytest.mark.stack
async def test_a_file_of_another_version_is_not_kept(idle_api: Api) -> None:
    for url in ("/admin/assets/admin.css", "/admin/assets/admin.css?v=0"):
        assert (await idle_api.client.get(url)).headers["cache-control"] == "no-cache"
    for name in ("nothing.css", "third_party/manifest.json", "../templates/page.html"):
        assert (await idle_api.client.get(f"/admin/assets/{name}")).status_code in (303, 404)
