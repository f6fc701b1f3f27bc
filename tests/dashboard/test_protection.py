from __future__ import annotations

import re
from importlib import resources
from itertools import product
from typing import TYPE_CHECKING

import pytest

from service.registry.api_keys import Scope
from tests.dashboard.visitor import visiting
from tests.dashboard.world import HOSTILE
from tests.http.client import api_running
from tests.support.database import value

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack
TEMPLATES = sorted((resources.files("segments.dashboard") / "templates").iterdir(), key=str)
FOREIGN = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
)
WRONG = (
    "segments?show=x", "segments?sort=x", "segments?page=0", "segments?page=1e9",
    "segments?page=000001" + "1" * 4300, "segments?page=000001", "segments?q=%00", "segments?q=%ff",
    "segments?q=a&q=b", "segments/1?range=x", "segments/1?list=x", "segments/1?cursor=x",
    "segments/1?chart=x", "segments/1?unit=x", "segments/1?range=all&unit=day", "segments/1?tz=Mars/Olympus",
    "segments/1?known_at=x",
    "segments/1?as_of=0001-01-01T00:00Z&tz=America/New_York", "segments/1?as_of=2101-01-01T00:00",
    "segments/1/export?list=x",
    "segments/1/user?user=u&cursor=x", "user?user=%00", "user?user=" + "u" * 321, "sent?position=x", "sent",
    "audit?list=x", "audit?kind=x", "audit?from=x", "audit?to=1-1-1", "audit?before=x", "audit?before=2026-01-01,a,b",
    "rejected?reason=x", "rejected?reason=not_json", "rejected?reason=not_json&topic=t&show=x",
    "rejected?reason=not_json&topic=t&before=x", "../../operations?keys=x",
)  # fmt: skip
ABSENT = (
    "segments/99", "segments/0", "segments/4294967296", "segments/" + "9" * 5000,
    "segments/99/definition", "segments/99/user?user=u", "nothing",
    "segments/99/export", "import/nothing", "import/nothing/lines", "erasure?user=nobody",
)  # fmt: skip
OF_ADMINS = ("new-segment", "segments/1/definition", "segments/1/archived", "erasure?user=u")
OF_PUBLISHERS = (
    "segments/1/user?user=u",
    "import/x",
    "import/x/send",
    "import/x/step",
    "import/x/undo",
)
CHANGES = OF_ADMINS + OF_PUBLISHERS


def test_no_template_has_script_or_style_in_it() -> None:
    assert TEMPLATES
    for template in TEMPLATES:
        text = template.read_text("utf-8")
        assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:|hx-on|\bjs:", text), template
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text)), template
        assert "|safe" not in text, template


async def test_pages_load_nothing_but_files_of_this_service(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        for path in ("segments", "segments/1", "segments/99", "new-segment", "nothing"):
            policy = (await visitor.get(path)).headers["content-security-policy"]
            assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy


async def test_a_form_without_the_sessions_token_changes_nothing(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        for path, forged in product(CHANGES, ("", "0" * 64)):
            answer = await visitor.post(path, csrf=forged, name="x", user_status="add", step="send")
            assert answer.status_code == 403, path
    assert await value(idle_api.settings, "SELECT count(*) FROM segments.registry_event") == 1


async def test_a_form_of_another_site_changes_nothing(idle_api: Api) -> None:
    key = await idle_api.key()
    async with visiting(idle_api) as visitor:
        for header in FOREIGN:
            answer = await visitor.post("new-segment", headers=header, name="x")
            assert answer.status_code == 403, header
            signed_in = await visitor.client.post(
                "/admin/sign-in", data={"key": key}, headers=header
            )
            assert signed_in.status_code == 403, header
    assert await value(idle_api.settings, "SELECT count(*) FROM segments.segment") == 1


async def test_a_key_does_only_what_its_scopes_say(idle_api: Api) -> None:
    for scope, refused in (
        (Scope.REPORT, CHANGES),
        (Scope.PUBLISH, OF_ADMINS),
        (Scope.ADMIN, OF_PUBLISHERS),
    ):
        async with visiting(idle_api, Scope.REPORT, scope) as visitor:
            assert (await visitor.get("segments")).status_code == 200
            for path in refused:
                answer = await visitor.post(path, name="x", user_status="add")
                assert answer.status_code == 403, path
                assert "scope" in answer.text


async def test_pages_count_against_the_rate_of_the_key(ready: Settings) -> None:
    limited = ready.model_copy(update={"http_rate_limit": "3/hour"})
    async with api_running(limited) as api, visiting(api) as visitor:
        statuses = [(await visitor.get("segments")).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]


async def test_changes_of_segments_count_against_the_rate_of_the_network(ready: Settings) -> None:
    limited = ready.model_copy(update={"http_registry_rate_limit": "1/hour"})
    async with api_running(limited) as api, visiting(api) as visitor:
        assert (await visitor.post("new-segment", name="a")).status_code == 303
        assert (await visitor.post("new-segment", name="b")).status_code == 429
        assert (
            await api.call("POST", "/networks/n/admin/segments", json={"name": "c"})
        ).status_code == 429


async def test_hostile_texts_are_shown_as_texts(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        made = await visitor.post("new-segment", name=HOSTILE, description=HOSTILE)
        place = made.headers["location"].removeprefix("/admin/networks/n/")
        for path in (
            "segments",
            place,
            f"{place}/definition",
            f"user?user={HOSTILE}",
            f"{place}/user?user={HOSTILE}",
            f"segments?q={HOSTILE}",
            f"segments?sort={HOSTILE}",
        ):
            text = (await visitor.get(path)).text
            assert "<img" not in text
        assert "&lt;img src=x onerror=alert(1)&gt;" in (await visitor.get(place)).text


async def test_a_parameter_that_is_wrong_is_said_to_be(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        for path in WRONG:
            answer = await visitor.get(path)
            assert answer.status_code == 400, path
            assert "That can't be done" in answer.text


async def test_what_there_is_not_is_not_found(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        for path in ABSENT:
            assert (await visitor.get(path)).status_code == 404, path


async def test_the_dashboard_can_be_switched_off(ready: Settings) -> None:
    async with api_running(ready.model_copy(update={"admin": "off"})) as api:
        for path in ("/admin", "/admin/", "/admin/sign-in", "/admin/assets/admin.css"):
            assert (await api.client.get(path)).status_code == 404
