"""Who may do what: keys, networks, scopes, rates."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from service.http.kit import key_cache
from service.registry.api_keys import Scope, create_key, read_key, revoke_key
from tests.http.client import api_running, command_body
from tests.support.cases import cases
from tests.support.command_line import run
from tests.support.database import connected, make_segments, rows, value
from tests.support.proxy import database_proxy
from tests.support.waiting import holds, taking

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack
PATH = "/networks/n/segments"
# Calls of every kind that publish nothing.
NOT_PUBLISHING = [
    ("GET", "/networks/n/results?reference_id=r"), ("GET", "/networks/n/sizes"),
    ("GET", "/networks/n/admin/segments"), ("POST", "/networks/n/admin/segments"),
]  # fmt: skip


async def status_with(api: Api, key: str | None, path: str = PATH) -> int:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return (await api.client.post(path, json=command_body(), headers=headers)).status_code


@cases(
    "sent",
    [None, "", "segk_", "segk_0_1", "Basic dTpw", "segk_0123456789abcdef_" + "x" * 43, "\u00fc"],
)
async def test_without_a_key_that_exists_the_answer_is_401_and_says_how(
    api: Api, sent: str | None
) -> None:
    headers = [] if sent is None else [(b"Authorization", f"Bearer {sent}".strip().encode())]
    response = await api.client.post(PATH, json=command_body(), headers=headers)
    assert (response.status_code, response.json()["reason"]) == (401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_a_right_id_with_a_wrong_secret_is_401(api: Api) -> None:
    key = await api.key()
    assert await status_with(api, key) == 201
    assert await status_with(api, key[:-1] + ("A" if key[-1] != "A" else "B")) == 401


async def test_a_key_of_another_network_learns_nothing(api: Api) -> None:
    """Neither whether a segment exists nor whether the body would do: the answers are the same to the byte."""
    await make_segments(api.settings, [("other", 1)])
    key = await api.key("other")
    assert await status_with(api, key, "/networks/other/segments") == 201
    headers = {"Authorization": f"Bearer {key}", "X-Request-Id": "same"}
    answers = {
        (await api.client.post(path, json=body, headers=headers)).text
        for path in (PATH, "/networks/nobody/segments", "/networks/a%20b/segments")
        for body in (command_body(), command_body(segment_id=99), command_body(user=None))
    }
    assert len(answers) == 1
    assert "forbidden" in answers.pop()


async def test_each_scope_does_what_it_says_and_nothing_else(api: Api) -> None:
    for scope in (Scope.REPORT, Scope.ADMIN):
        response = await api.call("POST", PATH, scope, json=command_body())
        assert (response.status_code, response.json()["reason"]) == (403, "forbidden")
    assert (await api.call("POST", PATH, Scope.PUBLISH, json=command_body())).status_code == 201


async def test_a_revoked_key_is_refused_within_seconds(api: Api) -> None:
    key = await api.key()
    with taking() as usual:
        assert await status_with(api, key) == 201
    async with connected(api.settings) as connection:
        await revoke_key(connection, read_key(key).key_id, "ann")
    with taking() as revoking:
        await holds(lambda: refused(api, key))
    assert (
        revoking.seconds < 30 + 10 * usual.seconds
    )  # it is asked again each second, and remembered for minutes


async def refused(api: Api, key: str) -> bool:
    return await status_with(api, key) == 401


async def test_an_expired_key_is_refused(api: Api) -> None:
    async with connected(api.settings) as connection:
        made = [
            await create_key(
                connection, network_id="n", scopes={Scope.PUBLISH},
                expires_at=datetime.now(UTC) + timedelta(seconds=seconds),
            )
            for seconds in (-1, 3600)
        ]  # fmt: skip
    assert [await status_with(api, key) for _, key in made] == [401, 201]


async def test_keys_are_stored_as_digests_and_their_last_use_is_noted(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_cache, "NOTE_USE_SECONDS", 0)
    key = await api.key()
    sent, secret = read_key(key), key.split("_", 2)[2]
    assert len(secret) >= 43
    (row,) = await rows(api.settings, "SELECT * FROM segments.api_key")
    assert (row["key_id"], row["secret_digest"], row["last_used_at"]) == (
        sent.key_id,
        sent.secret_digest,
        None,
    )
    assert secret not in str(row)
    await status_with(api, key)
    await holds(lambda: was_used(api))


async def was_used(api: Api) -> bool:
    return (
        await value(api.settings, "SELECT last_used_at IS NOT NULL FROM segments.api_key") is True
    )


async def test_a_known_key_outlasts_an_outage_of_the_database_for_a_while_and_an_unknown_one_waits(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database_proxy(ready) as (proxy, through), api_running(through) as api:
        known = await api.key()
        async with connected(ready) as connection:
            _, unknown = await create_key(connection, network_id="n", scopes={Scope.PUBLISH})
        assert await status_with(api, known) == 201
        proxy.refuse()
        assert await status_with(api, known) == 201
        away = await api.client.post(
            PATH, json=command_body(), headers={"Authorization": f"Bearer {unknown}"}
        )
        assert (away.status_code, away.json()["published"]) == (503, "no")
        assert int(away.headers["retry-after"]) > 0
        for method, path in NOT_PUBLISHING:
            other = await api.client.request(
                method, path, headers={"Authorization": f"Bearer {unknown}"}
            )
            assert (other.status_code, "published" in other.json()) == (503, False), path
        # A segment that is known to exist takes commands; whether another one does can't be said.
        response = await api.post(command_body(segment_id=5))
        assert (response.status_code, response.json()["published"]) == (503, "no")
        ready_answer = await api.client.get("/health/ready")
        assert (ready_answer.status_code, ready_answer.json()["status"]) == (200, "degraded")
        monkeypatch.setattr(key_cache, "OUTAGE_SECONDS", 0)
        assert await status_with(api, known) == 503
        proxy.mend()
        await holds(lambda: accepted(api, unknown))


async def test_a_database_that_is_not_set_up_any_more_is_told_by_the_readiness(api: Api) -> None:
    async def faults() -> Any:
        response = await api.client.get("/health/ready")
        assert response.status_code == 200
        return response.json()["faults"]

    async with connected(api.settings) as connection:
        await connection.execute("ALTER SCHEMA segments RENAME TO elsewhere")
        assert await faults() == {
            "postgres": "The database is not set up for this program; run `segments setup`."
        }
        await connection.execute("ALTER SCHEMA elsewhere RENAME TO segments")
    assert await faults() == {}


async def test_a_database_that_says_nothing_holds_up_no_request_beyond_its_limit(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connections stay open: a statement that is cancelled, or rolled back, is not answered either."""
    monkeypatch.setattr(key_cache, "REFRESH_SECONDS", 0.05)
    async with database_proxy(ready) as (proxy, through), api_running(through) as api:
        async with connected(ready) as connection:
            _, unknown = await create_key(connection, network_id="n", scopes={Scope.PUBLISH})
        calls: list[tuple[str, str, Any]] = [
            ("GET", "/networks/n/sizes", None),
            ("GET", "/networks/n/admin/segments", None),
            ("PATCH", "/networks/n/admin/segments/1", {"name": "other"}),
            ("POST", f"{PATH}?dry_run=true", command_body()),
            ("POST", PATH, command_body(segment_id=7)),
        ]
        # So that connections are open, on which all is then asked.
        with taking() as usual:
            for method, path, body in calls:
                await api.call(method, path, json=body)
        proxy.swallow()
        with taking() as swallowed:
            answers = await asyncio.gather(
                *(api.call(method, path, json=body) for method, path, body in calls),
                api.client.post(
                    PATH, json=command_body(), headers={"Authorization": f"Bearer {unknown}"}
                ),
            )
        assert swallowed.seconds < 40 + 5 * usual.seconds  # 5 s of ours; a statement may take 120 s
        assert {answer.status_code for answer in answers} == {503}
        assert (await api.post(command_body())).status_code == 201
        proxy.mend()
        await holds(lambda: accepted(api, unknown))
        await holds(lambda: sizes_are_told(api))


async def sizes_are_told(api: Api) -> bool:
    return (await api.call("GET", "/networks/n/sizes")).status_code == 200


async def accepted(api: Api, key: str) -> bool:
    return await status_with(api, key) == 201


async def test_who_sends_too_much_gets_429_and_the_headers_say_how_much_is_left(
    ready: Settings,
) -> None:
    limited = ready.model_copy(update={"http_rate_limit": "10/hour"})
    async with api_running(limited) as api:
        first = await api.post(command_body())
        assert first.headers["ratelimit-limit"] == "10"
        assert first.headers["ratelimit-remaining"] == "9"
        assert 0 < int(first.headers["ratelimit-reset"]) <= 3600
        items = [command_body(user=f"u{n}") for n in range(9)]
        full = await api.call("POST", f"{PATH}/batch", json=items)
        assert (full.status_code, full.headers["ratelimit-remaining"]) == (207, "0")
        more = await api.post(command_body())
        assert (more.status_code, more.json()["reason"], more.json()["published"]) == (
            429,
            "too_many_requests",
            "no",
        )
        assert 0 < int(more.headers["retry-after"]) <= 3600
        batch = await api.call("POST", f"{PATH}/batch", json=[command_body()])
        assert (batch.status_code, batch.json()["published"]) == (429, "no")
        for method, path in NOT_PUBLISHING:
            response = await api.call(
                method, path, json={"name": "a"} if method == "POST" else None
            )
            assert (response.status_code, "published" in response.json()) == (429, False), path
        # What is refused takes nothing, and says what is left; more than the limit at once can never pass.
        for size, left in ((2, "8"), (11, "8"), (9, "8"), (2, "6")):
            some = [command_body()] * size
            response = await api.call(
                "POST", f"{PATH}/batch", Scope.ADMIN, Scope.PUBLISH, json=some
            )
            assert response.status_code == {9: 429, 11: 413}.get(size, 207)
            assert response.json().get("published") == ("no" if size == 9 else None)
            assert response.headers.get_list("ratelimit-remaining") == [left], size
            assert ("retry-after" in response.headers) == (size == 9)
        refused = await api.call("POST", PATH, Scope.ADMIN, Scope.PUBLISH, json={})
        assert (refused.status_code, refused.headers["ratelimit-remaining"]) == (400, "5")
        # Another key has a limit of its own.
        assert (await api.call("POST", PATH, Scope.PUBLISH, json=command_body())).status_code == 201


async def test_the_command_line_makes_lists_and_revokes_keys(ready: Settings) -> None:
    said_ = await run(
        ready, "key", "create", "--network", "n", "--scope", "publish,report", "--name", "shop",
        "--expires", "4000000000", "--actor", "ann", "--json",
    )  # fmt: skip
    made = said_.json
    assert set(made) == {"key_id", "key"}
    listed = (await run(ready, "key", "list", "--network", "n", "--json")).json
    assert [
        (row["key_id"], row["key_name"], row["scopes"], row["created_by"]) for row in listed
    ] == [(made["key_id"], "shop", ["publish", "report"], "ann")]
    assert made["key"].split("_", 2)[2] not in str(listed)
    revoked = (await run(ready, "key", "revoke", made["key_id"], "--actor", "ben", "--json")).json
    assert revoked["revoked_by"] == "ben"
    again = (await run(ready, "key", "revoke", made["key_id"], "--actor", "cat", "--json")).json
    assert again == revoked
    assert (await run(ready, "key", "revoke", "nothing")).code == 1
    assert (await run(ready, "key", "create", "--network", "n", "--scope", "all")).code == 2
