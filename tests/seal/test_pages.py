"""The seal on the dashboard and for operators over HTTP: a proof to download, and how far the log is sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from service.registry.api_keys import Scope
from tests.dashboard.visitor import visiting
from tests.http.client import Api, api_running
from tests.seal.test_prove import policy, verify
from tests.support.lane import command_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.seal.conftest import Site

pytestmark = pytest.mark.stack


@pytest.fixture
async def api(site: Site) -> AsyncIterator[Api]:
    """An API on a sealed log of a command of network n and one of m."""
    await site.lane.append(command_json(user="mine", network_id="n"), command_json(network_id="m"))
    await site.seal()
    async with api_running(site.settings, wait=False) as running:
        yield running


async def test_a_proof_is_downloaded_for_a_command_of_the_network_alone(
    api: Api, site: Site, tmp_path: Path
) -> None:
    lane = site.lane.lane
    async with visiting(api) as visitor:
        path = f"proof?position={lane.topic}:{lane.partition}:0"
        answer = await visitor.get(f"{path}:0")
        assert answer.headers["content-disposition"] == 'attachment; filename="command.tlog-proof"'
        proof = tmp_path / "proof"
        proof.write_text(answer.text, "utf-8")
        checked = await verify(proof, "--policy", policy(site, tmp_path / "policy"))
        assert checked[0] == 0, checked[1]
        assert (await visitor.get(f"{path}:1")).status_code == 404
        assert (await visitor.get("proof?position=x")).status_code == 400


async def test_operators_see_how_far_the_log_is_sealed(api: Api, site: Site) -> None:
    told = await api.call("GET", "/operations/seal", Scope.OPERATE)
    found = told.json()
    assert (found["origin"], found["stopped_because"]) == (site.signer.verifier.name, None)
    assert found["tree_size"] == site.checkpoint().size
    assert (await api.call("GET", "/operations/seal", Scope.AUDIT)).status_code == 403
    async with visiting(api) as visitor:
        text = (await visitor.client.get("/admin/operations/tasks")).text
    assert f"{found['tree_size']:,} rows, signed" in text
