"""Every rule has an example of what it finds and of what it wants, and does as they say."""

from __future__ import annotations

import re
from typing import Any

import pytest

from console.apis.lint import Rule, RuleSet, all_rules, lint
from console.apis.reader import read


def whole(fragment: str) -> dict[str, Any]:
    """A document around a fragment."""
    said = read(fragment)
    info = {"title": "Pets", "version": "1.0.0"} | said.pop("info", {})
    document: dict[str, Any] = {"openapi": "3.1.0", "info": info, "paths": {}} | said
    return document


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_a_rule_fails_on_its_bad_example_and_passes_on_its_good_one(rule: Rule) -> None:
    alone = RuleSet.of().only(rule.name)
    bad, good = lint(whole(rule.bad), alone), lint(whole(rule.good), alone)
    assert [f.rule for f in bad.findings][:1] == [rule.name]
    assert not set(re.findall(r"\{\w+\}", rule.message)) & set(re.findall(r"\{\w+\}", bad.findings[0].message))
    assert bad.score < 100
    assert good.findings == []
    assert good.score == 100


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_a_rule_is_written_for_people(rule: Rule) -> None:
    assert rule.message[-1] == rule.why[-1] == "."
    assert rule.fix[-1] != "."
    assert 0 < rule.points <= 6
