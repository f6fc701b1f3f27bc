"""The commands that a topic may carry; Kafka's ACLs control who may write it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.command.refusal import FieldError, Reason, Refusal
from schemas.command.rules import UserStatus
from schemas.position import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.command import Command
    from schemas.headers import Headers


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of one topic. networks, statuses: None for all. standing: False after it was revoked."""

    networks: frozenset[str] | None = None
    statuses: frozenset[str] | None = None
    standing: bool = True

    def speaks_for(self, network_id: str) -> bool:
        """Whether the topic may carry commands of this network."""
        return self.standing and (self.networks is None or network_id in self.networks)

    def objection(self, network_id: str, user_status: str) -> FieldError | None:
        """Return why the rule forbids a command, or None. pointer: "" if no other value of a field would help."""
        if not self.standing:
            return FieldError(
                "", "this topic may carry no commands: it was revoked, or never allowed"
            )
        if not self.speaks_for(network_id):
            # Without the allowed networks: analysts of this network read the message, and must not learn of others.
            return FieldError(
                "/network_id", f"this topic may not carry commands of network {network_id}"
            )
        if self.statuses is not None and user_status not in self.statuses:
            allowed = ", ".join(sorted(self.statuses))
            message = f"this topic may not carry {user_status}, only {allowed}"
            return FieldError("/user_status", message)
        return None


@dataclass(frozen=True, slots=True)
class Allowed:
    """The rules that apply to the records of one topic.

    rule: None allows everything. origins: the rules of all topics, set for the topic with the service's retries: the
    rule of the topic of the first receipt applies to a retry.
    """

    rule: Rule | None
    origins: Mapping[str, Rule] | None = None


NOTHING = Rule(standing=False)


def allowed_on(topic: str, rules: Mapping[str, Rule], commands: str) -> Allowed | None:
    """Return the rules of a topic; None allows everything. commands: the topic that the service itself publishes to."""
    if topic != commands:
        return Allowed(rules.get(topic, NOTHING))
    return Allowed(rules.get(topic), rules) if rules else None


def check_allowed(allowed: Allowed, command: Command, headers: Headers) -> None:
    """Raise Refusal(not_allowed) if the rules of the topic forbid a command.

    `expire` is always allowed: only the service can publish it, and without it an override would never end.
    """
    if command.user_status is UserStatus.EXPIRE:
        return
    rule = _rule(allowed, headers)
    objection = rule and rule.objection(command.network_id, command.user_status.text)
    if objection and objection.pointer:
        raise Refusal(Reason.NOT_ALLOWED, str(objection), [objection])
    if objection:
        raise Refusal(Reason.NOT_ALLOWED, objection.message)


def speaks_for(allowed: Allowed | None, network_id: str, headers: Headers | None = None) -> bool:
    """Whether a record of the topic, with these headers, may belong to this network."""
    rule = None if allowed is None else _rule(allowed, headers)
    return rule is None or rule.speaks_for(network_id)


def _rule(allowed: Allowed, headers: Headers | None) -> Rule | None:
    """Return the rule for a record; for a retry that of the topic of its first receipt."""
    if headers is None or allowed.origins is None or headers.origin is None:
        return allowed.rule
    if headers.source != "retry":
        return allowed.rule
    return allowed.origins.get(_topic(headers.origin), allowed.rule)


def _topic(origin: str) -> str:
    try:
        return Position.parse(origin).topic
    except ValueError:
        return ""
