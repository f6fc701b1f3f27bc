"""Settings as they are given in the environment: text, which is checked and named where it is wrong."""

from __future__ import annotations

import pytest

from service.runtime.environment import SettingError, read_settings


@pytest.mark.parametrize(
    ("name", "given", "fault"),
    [
        ("http_port", "many", "must be an integer, got text"),
        ("http_port", "65536", "must be an integer <= 65535"),
        ("topic_replication", "0", "must be an integer >= 1"),
        ("http_timeout_seconds", "nan", "must be a number >= 0.1"),
        ("topic_prefix", "a/b", "must be text matching regex"),
        ("topic_prefix", "a\n", "must be text matching regex"),
        ("actor", "a" * 256, "must be text of length <= 255"),
        ("log_level", "loud", "must be one of debug, info, warning, error"),
        ("kafka_sasl_mechanism", "GSSAPI", "must be one of PLAIN, SCRAM-SHA-256"),
        ("http_rate_limit", "5/day", "must be NUMBER/second"),
        ("setup_database_url", "postgresql://u:pw@h:x/d", "must be postgresql://"),
        ("database_url", "postgresql://u:pw@[h/d", "must be postgresql://"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable_and_not_shown(
    name: str, given: str, fault: str
) -> None:
    with pytest.raises(SettingError) as raised:
        read_settings(**{name: given})
    assert str(raised.value).startswith(f"SEGMENTS_{name.upper()}: {fault}")
    assert given not in str(raised.value)


def test_a_value_is_taken_from_the_call_then_the_environment_then_a_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEGMENTS_HTTP_PORT", "1234")
    monkeypatch.setenv("segments_health_port", "4321")
    monkeypatch.setenv("SEGMENTS_TOPIC_PREFIX", "mine")
    monkeypatch.delenv("SEGMENTS_ACTOR", raising=False)
    settings = read_settings(topic_prefix="yours")
    assert (settings.http_port, settings.health_port, settings.topic_prefix) == (
        1234,
        4321,
        "yours",
    )
    assert settings.actor is None
    assert {"http_port", "health_port", "topic_prefix"} <= settings.explicit
    assert "actor" not in settings.explicit
    changed = settings.model_copy(update={"actor": "ann"})
    assert (changed.actor, "actor" in changed.explicit, settings.actor) == ("ann", True, None)
