from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from segments.dashboard import sessions
from segments.dashboard.sessions import COOKIE
from service.registry import sessions as stored_sessions
from service.registry.api_keys import Scope, read_key, revoke_key
from tests.dashboard.person import NETWORK
from tests.dashboard.visitor import Visitor, visiting
from tests.support.command_line import run
from tests.support.database import connected, make_segments, rows, value
from tests.support.waiting import holds

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack
NO_OPERATOR = sorted(set(Scope) - {Scope.OPERATE})
NETWORKS = r'href="/admin/networks/([^/"]+)/segments"><bdi>'


async def test_a_key_is_exchanged_for_a_session_that_only_the_dashboard_gets(idle_api: Api) -> None:
    answer = await Visitor(idle_api.client).sign_in(await idle_api.key())
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/")
    cookie = answer.headers["set-cookie"]
    token = answer.cookies[COOKIE]
    assert cookie == f"{COOKIE}={token}; HttpOnly; Max-Age=28800; Path=/admin; SameSite=strict"
    assert (await idle_api.client.get(f"{NETWORK}/segments")).status_code == 200
    # The browser does not send it to the API, and the API would not take it.
    assert (
        await idle_api.client.get("/networks/n/sizes", headers={"Cookie": f"{COOKIE}={token}"})
    ).status_code == 401


async def test_the_oldest_session_of_a_key_ends_when_it_has_too_many(
    idle_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_sessions, "MOST_SESSIONS", 2)
    monkeypatch.setattr(sessions, "CONFIRM_SECONDS", 0)
    answers = [await Visitor(idle_api.client).sign_in(await idle_api.key()) for _ in range(3)]
    idle_api.client.cookies.clear()
    statuses = [
        (
            await idle_api.client.get(
                f"{NETWORK}/segments", headers={"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"}
            )
        ).status_code
        for answer in answers
    ]
    assert statuses == [303, 200, 200]


async def test_behind_tls_the_cookie_is_secure(idle_api: Api) -> None:
    answer = await idle_api.client.post(
        "/admin/sign-in", data={"key": await idle_api.key()}, headers={"X-Forwarded-Proto": "https"}
    )
    assert "; Secure" in answer.headers["set-cookie"]


async def test_only_a_digest_of_the_token_is_stored(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        (row,) = await rows(idle_api.settings, "SELECT * FROM segments.session")
    assert len(row["token_digest"]) == 32
    assert visitor.token not in str(row)


async def test_an_unknown_key_begins_no_session(idle_api: Api) -> None:
    for key in ("", "nonsense", "segk_0_0"):
        answer = await Visitor(idle_api.client).sign_in(key)
        assert answer.status_code == 401
        assert "There is no such key" in answer.text
        assert not answer.cookies


async def test_a_key_that_may_not_read_begins_no_session(idle_api: Api) -> None:
    answer = await Visitor(idle_api.client).sign_in(await idle_api.key("n", Scope.PUBLISH))
    assert answer.status_code == 403
    assert "scope report" in answer.text


async def test_a_session_ends_with_its_key(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        assert (await visitor.get("segments")).status_code == 200
        async with connected(idle_api.settings) as connection:
            await revoke_key(connection, read_key(await idle_api.key()).key_id)
        await holds(lambda: _is_signed_out(visitor))


async def test_a_session_that_is_over_is_refused(
    idle_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "CONFIRM_SECONDS", 0.0)
    async with visiting(idle_api) as visitor:
        assert not await _is_signed_out(visitor)
        async with connected(idle_api.settings) as connection:
            await connection.execute("UPDATE segments.session SET expires_at = clock_timestamp()")
        assert await _is_signed_out(visitor)


async def test_who_signs_out_is_signed_out_at_once(idle_api: Api) -> None:
    async with visiting(idle_api) as visitor:
        token = visitor.token
        answer = await visitor.client.post(
            "/admin/sign-out", data={"csrf": sessions.csrf_token(token)}
        )
        assert answer.headers["location"] == "/admin/sign-in"
        assert COOKIE not in visitor.client.cookies
        again = await idle_api.client.get(
            f"{NETWORK}/segments", headers={"Cookie": f"{COOKIE}={token}"}
        )
        assert again.status_code == 303
        assert await value(idle_api.settings, "SELECT count(*) FROM segments.session") == 0


async def test_signing_in_forgets_the_sessions_of_the_key_that_are_over(idle_api: Api) -> None:
    async with visiting(idle_api), connected(idle_api.settings) as connection:
        await connection.execute("UPDATE segments.session SET expires_at = clock_timestamp()")
    async with visiting(idle_api):
        assert await value(idle_api.settings, "SELECT count(*) FROM segments.session") == 1


async def test_without_a_session_one_signs_in_and_comes_to_the_page(idle_api: Api) -> None:
    answer = await idle_api.client.get(f"{NETWORK}/segments?q=a%26b")
    assert answer.status_code == 303
    sign_in = answer.headers["location"]
    form = await idle_api.client.get(sign_in)
    assert 'name="next" value="/admin/networks/n/segments?q=a%26b"' in form.text
    went = await Visitor(idle_api.client).sign_in(
        await idle_api.key(), next="/admin/networks/n/segments?q=a%26b"
    )
    assert went.headers["location"] == "/admin/networks/n/segments?q=a%26b"


async def test_signing_in_leads_to_pages_of_the_dashboard_only(idle_api: Api) -> None:
    key = await idle_api.key()
    for url in (
        "https://evil.example", "//evil.example", "/\\evil.example", "/admin//evil.example", "/docs", "/admin/../docs",
    ):  # fmt: skip
        answer = await Visitor(idle_api.client).sign_in(key, next=url)
        assert answer.headers["location"] == "/admin/", url


async def test_a_page_that_is_open_goes_to_the_sign_in_when_its_session_ends(idle_api: Api) -> None:
    answer = await idle_api.client.get(f"{NETWORK}/reach", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/admin/sign-in")


async def test_a_session_of_another_network_sees_nothing(idle_api: Api) -> None:
    await make_segments(idle_api.settings, [("m", 1)])
    async with visiting(idle_api, *NO_OPERATOR, network="m") as visitor:
        for path in ("segments", "segments/1", "segments/1/user?user=u", "user?user=u", "reach"):
            answer = await visitor.get(path)
            assert answer.status_code == 403
            assert "segment 1" not in answer.text
        assert re.findall(NETWORKS, (await visitor.client.get("/admin/networks")).text) == ["m"]


async def test_an_operators_key_sees_every_network_and_that_is_recorded(
    api: Api, sign_in: Callable[..., Any]
) -> None:
    await make_segments(api.settings, [("m", 7)])
    async with sign_in(name="olga@example.com") as person:
        page = person.page
        await page.get_by_title("Network: choose another").click()
        assert await person.violations() == []
        await page.get_by_role("link", name="m", exact=True).click()
        await page.get_by_role("link", name="segment 7").click()
        await page.get_by_label("A user: an email").fill("ann@example.com")
        await page.get_by_role("button", name="Find or add").click()
        await page.get_by_role("radio", name="Add").check()
        await page.get_by_role("button", name="Preview").click()
        await page.get_by_role("button", name="Add now").click()
        await person.sees("Added by hand")
        assert person.faults == []
    added = (
        "SELECT network_id, actor, source FROM reporting.event WHERE user_id = 'ann@example.com'"
    )
    assert await rows(api.settings, added) == [
        {"network_id": "m", "actor": "olga@example.com", "source": "dashboard"}
    ]

    async def is_recorded() -> bool:
        read = "SELECT actor FROM reporting.access_event WHERE network_id = 'm' AND segment_id = 7"
        return {row["actor"] for row in await rows(api.settings, read)} == {"olga@example.com"}

    await holds(is_recorded)


async def test_an_operator_whose_key_is_revoked_sees_no_network(
    idle_api: Api,
) -> None:
    await make_segments(idle_api.settings, [("m", 7)])
    async with visiting(idle_api) as visitor:
        assert (await visitor.client.get("/admin/networks/m/segments/7")).status_code == 200
        assert (await visitor.client.get("/admin/networks/m%20/segments")).status_code == 403
        async with connected(idle_api.settings) as connection:
            await connection.execute("UPDATE segments.api_key SET revoked_at = clock_timestamp()")

        async def is_out() -> bool:
            answer = await visitor.client.get("/admin/networks/m/segments/7")
            return answer.status_code == 303

        await holds(is_out)


async def test_a_link_signs_in_once(idle_api: Api) -> None:
    key_id = read_key(await idle_api.key()).key_id
    made = await run(idle_api.settings, "key", "link", key_id, "--url", idle_api.url)
    link = made.out.strip().removeprefix(idle_api.url)
    # Programs that look at links do not use it up.
    for _ in range(2):
        assert (await idle_api.client.get(link)).status_code == 200
    form = {"link": link.partition("link=")[2]}
    assert (await idle_api.client.post("/admin/sign-in/link", data=form)).status_code == 303
    assert (await idle_api.client.get(f"{NETWORK}/segments")).status_code == 200
    again = await idle_api.client.post("/admin/sign-in/link", data=form)
    assert again.status_code == 403
    assert "used already" in again.text


async def test_a_link_that_is_too_old_or_of_a_revoked_key_signs_nobody_in(idle_api: Api) -> None:
    key_id = read_key(await idle_api.key()).key_id
    for spoilt in (
        "UPDATE segments.sign_in_link SET expires_at = clock_timestamp()",
        "UPDATE segments.api_key SET revoked_at = clock_timestamp()",
    ):
        made = await run(idle_api.settings, "key", "link", key_id)
        async with connected(idle_api.settings) as connection:
            await connection.execute(spoilt)
        form = {"link": made.out.strip().partition("link=")[2]}
        assert (await idle_api.client.post("/admin/sign-in/link", data=form)).status_code == 403


async def test_links_that_are_too_old_are_deleted_with_the_next_sign_in(idle_api: Api) -> None:
    key = await idle_api.key()
    for way in ("key", "link"):
        await run(idle_api.settings, "key", "link", read_key(key).key_id)
        async with connected(idle_api.settings) as connection:
            await connection.execute(
                "UPDATE segments.sign_in_link SET expires_at = clock_timestamp()"
            )
        if way == "key":
            assert (await Visitor(idle_api.client).sign_in(key)).status_code == 303
        else:
            made = await run(idle_api.settings, "key", "link", read_key(key).key_id)
            form = {"link": made.out.strip().partition("link=")[2]}
            await idle_api.client.post("/admin/sign-in/link", data=form)
        assert await value(idle_api.settings, "SELECT count(*) FROM segments.sign_in_link") == 0


async def test_a_link_needs_a_key_that_there_is(settings: Settings) -> None:
    made = await run(settings, "key", "link", "0123")
    assert (made.code, made.out) == (1, "")
    assert "No such API key" in made.err


async def _is_signed_out(visitor: Visitor) -> bool:
    return (await visitor.get("segments")).status_code == 303
