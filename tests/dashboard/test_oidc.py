"""Signing in at an OpenID Connect provider."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.async_api import expect

from segments.dashboard.sessions import COOKIE
from service.registry.api_keys import Scope
from service.registry.oidc_groups import read_groups, rights_of
from service.runtime.environment import SettingError, read_settings
from service.runtime.secret import SecretStr
from tests.dashboard.issuer import issuing
from tests.dashboard.person import Person
from tests.http.client import Api, api_running
from tests.support.database import make_segments, rows, value
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

    from service.runtime.settings import Settings
    from tests.dashboard.issuer import Issuer

GROUPS = "crm=n:publish crm-admins=n:admin+publish,m:report other=x:admin"
ANN = {"email": "ann@example.com", "email_verified": True, "groups": ["crm-admins", "unknown"]}


@asynccontextmanager
async def signing_in(settings: Settings, **more: Any) -> AsyncIterator[tuple[Api, Issuer]]:
    """An API whose dashboard signs people in at a provider."""
    async with issuing() as issuer:
        given = {
            "oidc_issuer": issuer.url, "oidc_client_id": "dashboard", "oidc_client_secret": SecretStr("secret " * 6),
            "oidc_groups": GROUPS,
        } | more  # fmt: skip
        async with api_running(settings.model_copy(update=given)) as api:
            issuer.claims = dict(ANN)
            yield api, issuer


async def signed_in(api: Api) -> httpx.Response:
    """Go to the provider and back, as a browser does; return the last answer."""
    async with httpx.AsyncClient(timeout=PATIENCE, follow_redirects=True) as client:
        return await client.get(f"{api.url}/admin/sign-in/oidc/start")


@pytest.mark.stack
async def test_one_signs_in_at_the_provider_and_chooses_the_network(
    ready: Settings, browser: Browser
) -> None:
    await make_segments(ready, [("m", 7)])
    async with signing_in(ready) as (api, issuer):
        context = await browser.new_context(base_url=api.url)
        person = Person(await context.new_page())
        page = person.page
        await page.goto("/admin")
        assert await person.violations() == []
        await page.get_by_role("link", name=f"Sign in with {issuer.url[7:]}").click()
        await expect(page.get_by_role("heading", name="Networks")).to_be_visible()
        assert await person.violations() == []
        await page.get_by_role("link", name="m", exact=True).last.click()
        await person.sees("segment 7")
        await expect(page.get_by_role("link", name="New segment")).to_have_count(0)
        await page.get_by_title("Network: choose another").click()
        await page.get_by_role("link", name="n", exact=True).last.click()
        await page.get_by_role("link", name="New segment").click()
        await page.get_by_label("Name").fill("Made by Ann")
        await page.get_by_role("button", name="Create segment").click()
        await person.sees("Nobody has been in this segment yet.")
        await context.close()
    created = "SELECT created_by FROM reporting.segment WHERE segment_name = 'Made by Ann'"
    assert await value(ready, created) == "ann@example.com"
    keys = await rows(
        ready, "SELECT network_id, scopes, created_by FROM segments.api_key ORDER BY 1"
    )
    assert [tuple(row.values()) for row in keys] == [
        ("m", ["report"], "oidc"), ("n", ["admin", "publish", "report"], "oidc"),
    ]  # fmt: skip


@pytest.mark.stack
async def test_who_is_in_no_group_that_counts_or_is_not_confirmed_has_no_session(
    ready: Settings,
) -> None:
    async with signing_in(ready) as (api, issuer):
        for claims, faults, detail in (
            ({"groups": ["unknown"]}, {}, "none of your groups"),
            ({"groups": None}, {}, "none of your groups"),
            ({"groups": 7}, {}, "none of your groups"),
            ({"groups": [{"id": 1}]}, {}, "none of your groups"),
            ({}, {"aud": "another"}, "begin again"),
            ({}, {"iss": "http://evil.example"}, "begin again"),
            ({}, {"exp": 1}, "begin again"),
            ({}, {"nonce": "another"}, "begin again"),
        ):
            issuer.claims, issuer.faults = {**ANN, **claims}, faults
            answer = await signed_in(api)
            assert (answer.status_code, detail in answer.text) == (403, True), (claims, faults)
            assert COOKIE not in answer.cookies
        issuer.claims, issuer.faults = dict(ANN), {}
        # An answer to a sign-in that this browser did not begin.
        url = f"{api.url}/admin/sign-in/oidc/callback?code=code-0&state=x"
        assert (await api.client.get(url)).status_code == 403
        assert (await api.client.get(url.partition("?")[0])).status_code == 403
    assert await value(ready, "SELECT count(*) FROM segments.session") == 0


@pytest.mark.stack
@pytest.mark.parametrize("verified", [False, None, "false"])
async def test_the_name_is_the_email_only_if_the_provider_has_verified_it(
    ready: Settings, verified: Any
) -> None:
    async with signing_in(ready) as (api, issuer):
        issuer.claims = {**ANN, "groups": "crm", "email_verified": verified}
        answer = await signed_in(api)
        assert answer.status_code == 200
    (key,) = await rows(ready, "SELECT key_name, expires_at > now() AS ends FROM segments.api_key")
    assert key == {"key_name": "subject-1", "ends": True}


@pytest.mark.stack
async def test_when_the_provider_is_away_it_is_said_to_be(ready: Settings) -> None:
    async with signing_in(ready, oidc_issuer="http://localhost:1") as (api, _):
        answer = await signed_in(api)
        assert (answer.status_code, "does not answer" in answer.text) == (503, True)
        assert "API key" in (await api.client.get("/admin/sign-in")).text


@pytest.mark.stack
async def test_without_a_provider_nobody_is_sent_to_one(ready: Settings) -> None:
    async with api_running(ready) as api:
        assert (await api.client.get("/admin/sign-in/oidc/start")).status_code == 404
        assert "Sign in with" not in (await api.client.get("/admin/sign-in")).text


def test_groups_add_up() -> None:
    groups = read_groups("a=n:publish a=m:report b=n:admin,o:publish g=x=n:admin")
    both = {Scope.PUBLISH, Scope.ADMIN, Scope.REPORT}
    assert rights_of(groups, ["a", "b"]) == {
        "n": both, "m": {Scope.REPORT}, "o": {Scope.PUBLISH, Scope.REPORT},
    }  # fmt: skip
    assert rights_of(groups, ["g=x"]) == {"n": {Scope.ADMIN, Scope.REPORT}}
    assert rights_of(groups, ["c"]) == {}


@pytest.mark.parametrize("text", ["a", "a=n", "a=n:look", "=n:admin", "a=n:admin,", "a=n/m:admin"])
def test_groups_that_are_misspelt_are_refused(text: str) -> None:
    with pytest.raises(SettingError, match="OIDC_GROUPS"):
        read_settings(oidc_groups=text)
