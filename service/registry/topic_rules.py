"""What a topic may say. Kafka's ACLs decide who writes it; this, what of theirs is taken. Pure."""

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
    """What one topic may say. networks, statuses: None for all. standing: False once it was revoked."""

    networks: frozenset[str] | None = None
    statuses: frozenset[str] | None = None
    standing: bool = True

    def speaks_for(self, network_id: str) -> bool:
        """Whether its records may be about this network at all."""
        return self.standing and (self.networks is None or network_id in self.networks)

    def objection(self, network_id: str, user_status: str) -> FieldError | None:
        """Say what speaks against a command, or None. pointer: "" where no field of it would help."""
        if not self.standing:
            return FieldError(
                "", "this topic may not say anything: it was revoked, or never allowed"
            )
        if not self.speaks_for(network_id):
            # Not for whom it may: the networks' analysts read this, and know nothing of each other.
            return FieldError("/network_id", f"this topic may not speak for {network_id}")
        if self.statuses is not None and user_status not in self.statuses:
            said = ", ".join(sorted(self.statuses))
            return FieldError("/user_status", f"this topic may not say {user_status}, only {said}")
        return None


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the records of one topic may say.

    rule: None for everything. origins: the rules of all topics, where the service's own retries lie: such a one is
    judged by the topic on which it was received first.
    """

    rule: Rule | None
    origins: Mapping[str, Rule] | None = None


NOTHING = Rule(standing=False)


def allowed_on(topic: str, rules: Mapping[str, Rule], commands: str) -> Allowed | None:
    """Say what a topic may say; None for everything. commands: the topic that the service publishes to itself."""
    if topic != commands:
        return Allowed(rules.get(topic, NOTHING))
    return Allowed(rules.get(topic), rules) if rules else None


def check_allowed(allowed: Allowed, command: Command, headers: Headers) -> None:
    """Raise Refusal(not_allowed) if its topic may not say that.

    An `expire` is never asked: nobody but the service can say it, and an override that nobody lifts would be worse.
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
    """Whether a record of the topic, with these headers, may be about this network: if not, it is nobody's."""
    rule = None if allowed is None else _rule(allowed, headers)
    return rule is None or rule.speaks_for(network_id)


def _rule(allowed: Allowed, headers: Headers | None) -> Rule | None:
    """Find the rule for a record: a retry is judged by the topic on which it was received first."""
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
