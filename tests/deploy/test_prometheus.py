"""The rules for Prometheus: each alert fires on a bad day, none on a good one, and each leads to its section."""

from __future__ import annotations

from typing import Any

import yaml

from tests.deploy.exposed import named, series
from tests.deploy.promtool import promtool
from tests.docs.generated import ROOT
from tests.docs.pages import anchors

FOLDER = ROOT / "deploy" / "prometheus"
RULES = "segments.rules.yaml"
TESTS = "segments.rules.test.yaml"


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / RULES).read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_each_alert_fires_on_its_bad_day_and_none_on_a_good_day() -> None:
    promtool("test", "rules", TESTS, folder=FOLDER)


def test_the_rules_are_valid() -> None:
    promtool("check", "rules", RULES, folder=FOLDER)


def test_each_alert_has_a_bad_day() -> None:
    tests = yaml.safe_load((FOLDER / TESTS).read_text("utf-8"))["tests"]
    tested = [one["alertname"] for test in tests for one in test.get("alert_rule_test", [])]
    assert tested == [rule["alert"] for rule in _rules() if "alert" in rule]


def test_each_alert_has_a_severity_and_a_section_of_its_own() -> None:
    for rule in _rules():
        if "alert" in rule:
            page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
            assert rule["labels"]["severity"] in {"page", "ticket"}
            assert anchor == rule["alert"].lower()
            assert anchor in anchors(ROOT / page)


def test_the_rules_name_series_that_the_service_exposes() -> None:
    used = {name for rule in _rules() for name in named(rule["expr"])}
    assert used
    assert used - series() == set()
