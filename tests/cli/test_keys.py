"""`key`: what a person is shown, and what is refused before a key is made."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import run

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
CREATE = ("key", "create", "--network", "n", "--scope", "publish,report", "--name", "shop")


async def test_a_keys_scopes_are_shown_as_they_are_given(database: Settings) -> None:
    made = await run(database, *CREATE, "--json")
    listed = await run(database, "key", "list")
    revoked = await run(database, "key", "revoke", made.json["key_id"])
    for shown in (listed.out, revoked.out):
        assert re.search(r" shop +publish, report +2", shown), shown


async def test_a_key_that_would_have_lapsed_already_is_not_made(database: Settings) -> None:
    now = int(time.time())
    for expires, says in ((now - 1, "must be in the future"), (10**15, "must be Unix seconds")):
        result = await run(database, *CREATE, "--expires", str(expires))
        assert (result.code, result.out) == (2, "")
        assert says in result.err
    assert (await run(database, *CREATE, "--expires", str(now + 3600))).code == 0
    assert len((await run(database, "key", "list", "--json")).json) == 1


async def test_a_network_without_segments_may_be_misspelt_and_gets_its_key_with_a_warning(
    ready: Settings,
) -> None:
    for network, warning in (
        ("n", ""),
        ("nn", "warning: network nn has no segments; is it misspelt?\n"),
    ):
        made = await run(ready, "key", "create", "--network", network, "--scope", "publish")
        assert (made.code, made.err, bool(made.out)) == (0, warning, True)
        allowed = await run(
            ready, "source", "allow", "--no-topics", "--topic", "crm", "--networks", f"n,{network}"
        )
        assert (allowed.code, allowed.err) == (0, warning)
