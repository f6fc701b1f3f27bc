"""The page that shows the API is served whole from here: who has no internet sees it too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.http.client import Api

pytestmark = pytest.mark.stack


async def test_the_page_loads_nothing_from_elsewhere_and_all_that_it_loads_is_here(
    api: Api,
) -> None:
    page = await api.client.get("/docs")
    assert page.status_code == 200
    loaded = re.findall(r"(?:src|href)=\"([^\"]+)\"|url: '([^']+)'", page.text)
    addresses = [one or other for one, other in loaded]
    assert "/openapi.json" in addresses
    assert sum(one.endswith((".js", ".css")) for one in addresses) == 2
    for address in addresses:
        assert re.match("/[^/]", address), address
        assert (await api.client.get(address)).status_code == 200, address
