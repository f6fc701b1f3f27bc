"""What the groups of an OpenID Connect provider may do: `crm=acme:report+publish admins=acme:admin,shop:admin`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.registry.api_keys import Scope

if TYPE_CHECKING:
    from collections.abc import Collection

    Rights = dict[str, frozenset[Scope]]


def read_groups(text: str) -> dict[str, Rights]:
    """Read the setting, which is well-formed: the scopes in each network, by group."""
    groups: dict[str, Rights] = {}
    for part in text.split():
        group, _, networks = part.rpartition("=")
        for one in networks.split(","):
            network_id, _, scopes = one.partition(":")
            rights = groups.setdefault(group, {})
            rights[network_id] = frozenset(Scope(scope) for scope in scopes.split("+"))
    return groups


def rights_of(groups: dict[str, Rights], of: Collection[str]) -> Rights:
    """Return the scopes in each network of somebody in some groups; report is one of them."""
    rights: Rights = {}
    for group in of:
        for network_id, scopes in groups.get(group, {}).items():
            rights[network_id] = rights.get(network_id, frozenset({Scope.REPORT})) | scopes
    return rights
