"""What a topic may say: the rule alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.command import read_command
from schemas.command.refusal import Reason, Refusal
from schemas.headers import Headers
from service.registry.topic_rules import NOTHING, Allowed, Rule, allowed_on, check_allowed

COMMANDS = "p.commands"
CRM = Rule(frozenset({"a", "b"}), frozenset({"enter", "leave"}))
NOBODY = Headers()


def refused(allowed: Allowed | None, headers: Headers = NOBODY, **fields: Any) -> str | None:
    """Give the detail of the refusal, or None."""
    given = {"network_id": "a", "user": "u", "segment_id": 1, "user_status": "enter"} | fields
    command = read_command(
        json.dumps(given).encode(), expiry_signed=given["user_status"] == "expire"
    )
    try:
        if allowed is not None:
            check_allowed(allowed, command, headers)
    except Refusal as refusal:
        return str(refusal).removeprefix(f"{Reason.NOT_ALLOWED}: ")
    return None


def test_without_any_rule_the_first_topic_says_all_and_another_one_nothing() -> None:
    assert allowed_on(COMMANDS, {}, COMMANDS) is None
    assert allowed_on("crm", {}, COMMANDS) == Allowed(NOTHING)
    assert allowed_on("crm", {"crm": CRM}, COMMANDS) == Allowed(CRM)
    assert refused(allowed_on(COMMANDS, {"crm": CRM}, COMMANDS), network_id="z") is None


@pytest.mark.parametrize(("network_id", "user_status"), [("a", "enter"), ("b", "leave")])
def test_what_the_rule_names_may_be_said(network_id: str, user_status: str) -> None:
    assert refused(Allowed(CRM), network_id=network_id, user_status=user_status) is None


def test_a_refusal_says_which_field_and_names_no_other_network() -> None:
    assert refused(Allowed(CRM), network_id="c") == (
        "/network_id: this topic may not carry commands of network c"
    )
    assert refused(Allowed(CRM), user_status="add") == (
        "/user_status: this topic may not carry add, only enter, leave"
    )
    assert refused(Allowed(Rule(standing=False))) == (
        "this topic may carry no commands: it was revoked, or never allowed"
    )


@pytest.mark.parametrize("rule", [Rule(networks=frozenset("z")), Rule(standing=False), CRM])
def test_an_expiry_is_never_asked(rule: Rule) -> None:
    expiry = {"user_status": "expire", "reference_id": "expire:e", "status_change_timestamp": 10**9}
    assert refused(Allowed(rule), Headers(source="expiry"), **expiry) is None


def test_whoever_signed_is_asked_as_others_are() -> None:
    for source in ("kafka", "http", "cli", "import", "dashboard"):
        assert refused(Allowed(CRM), Headers(source=source), user_status="add") is not None


def test_a_retry_may_say_what_the_topic_of_its_first_receipt_may_say() -> None:
    own = Rule(networks=frozenset("z"))
    rules = {COMMANDS: own, "crm": CRM}
    allowed = allowed_on(COMMANDS, rules, COMMANDS)
    retry = Headers(source="retry", origin="crm:0:0:7")
    assert refused(allowed, retry) is None
    assert refused(allowed, retry, user_status="add") is not None
    assert refused(allowed, retry, network_id="z") is not None
    assert refused(allowed, retry._replace(origin=f"{COMMANDS}:0:0:7"), network_id="z") is None


def test_an_origin_counts_only_in_a_signed_retry_on_the_topic_where_retries_lie() -> None:
    rules = {COMMANDS: Rule(networks=frozenset("z")), "crm": CRM}
    on_commands = allowed_on(COMMANDS, rules, COMMANDS)
    assert refused(on_commands, Headers(source="kafka", origin="crm:0:0:7")) is not None
    assert refused(on_commands, Headers(source="retry", origin="nonsense")) is not None
    assert refused(on_commands, Headers(source="retry", origin="other:0:0:7")) is not None
    on_crm = allowed_on("crm", rules, COMMANDS)
    moved = Headers(source="retry", origin=f"{COMMANDS}:0:0:7")
    assert refused(on_crm, moved, network_id="z") is not None
