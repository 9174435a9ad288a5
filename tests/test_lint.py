"""Linting whole documents: findings with their lines, a score that only rises by mending, and what a team switches."""

from __future__ import annotations

import copy
import json
import random
import time
from typing import Any

import pytest
from flask import Flask

from console.accounts.models import Person, Team
from console.apis.lint import RuleSet, all_rules, lint
from console.apis.lint.report import MOST_A_RULE, Outcome, advice, scored
from console.apis.lint_actions import change_lint_rules
from console.apis.lint_queries import rule_set
from console.apis.positions import Positions
from console.apis.problems import walk
from console.apis.reader import read
from console.db import db, unit_of_work
from console.errors import Refused
from tests.conftest import ORDERS, Cast, SignIn, World, trail
from tests.test_lint_rules import whole


def pets(**operation: Any) -> dict[str, Any]:
    return whole("paths: {}") | {"paths": {"/pets": {"get": operation}}}


def test_a_finding_has_the_line_of_what_it_is_about() -> None:
    report = lint(read(ORDERS), positions=Positions(ORDERS))
    found = next(f for f in report.findings if f.rule == "operation-description")
    assert (found.line, found.where) == (43, "POST /orders")
    assert ORDERS.splitlines()[found.line - 1].strip() == "post:"
    for finding in report.findings:
        assert finding.line > 0
        assert 0 < len(finding.message) < 400


def test_findings_are_by_severity_then_by_what_they_cost() -> None:
    failed = lint(read(ORDERS) | {"security": []}).failed
    order = [(list("ewh").index(o.rule.severity[0]), -o.gain) for o in failed]
    assert order == sorted(order)


def test_findings_of_a_rule_are_bounded_and_counted() -> None:
    document = whole("paths: {}") | {"paths": {f"/p{i}": {"get": {}} for i in range(MOST_A_RULE + 214)}}
    outcome = next(o for o in lint(document).outcomes if o.rule.name == "operation-summary")
    assert (outcome.failing, len(outcome.findings), outcome.more) == (MOST_A_RULE + 214, MOST_A_RULE, 214)


def test_the_score_is_what_the_rules_leave_of_100() -> None:
    report = lint(read(ORDERS))
    assert report.exact == pytest.approx(100 - sum(o.gain for o in report.outcomes))
    assert report.score == int(report.exact)
    assert {o.rule.name for o in report.outcomes if not o.failing and o.gain} == set()


def test_the_advice_says_what_a_rule_gains_and_keeps_its_word() -> None:
    document = read(ORDERS)
    before = lint(document)
    said = next(a for a in before.advice if a.rule == "operation-description")
    assert said.text == "Describe 4 operations"
    for item in document["paths"].values():
        for method in item.keys() & {"get", "post", "delete"}:
            item[method]["description"] = "What it does, at length."
    assert lint(document).exact == pytest.approx(before.exact + said.gain)


@pytest.mark.parametrize("places", [1, 2, 7, 100])
def test_each_thing_that_is_mended_raises_the_score(places: int) -> None:
    for rule in all_rules():
        scores = [scored([Outcome(rule, places, failing)]).exact for failing in range(places, -1, -1)]
        assert scores == sorted(scores)
        assert len(set(scores)) == places + 1
        assert scores[-1] == 100


GOOD_TO_HAVE = {"summary", "description", "operationId", "contact", "license", "tags", "items", "security", "example", "maximum",
                "minimum", "format", "enum", "401", "404", "422", "servers"}  # fmt: skip


def test_mending_one_thing_lowers_no_score() -> None:
    """Each good thing of the sample in turn: with it the score is at least what it is without. (Not `type`: there are rules
    about arrays that only see one when it says so.)"""
    document = read(ORDERS)
    best = lint(document).exact
    places = [(path, key) for path, key, _ in walk(document) if key in GOOD_TO_HAVE and path[-1:] != ("properties",)]
    assert len(places) > 60
    for path, key in places:
        without = copy.deepcopy(document)
        here: Any = without
        for part in path:
            here = here[part]
        del here[key]
        assert lint(without).exact <= best, (path, key)


def test_dropping_a_component_that_nothing_uses_lowers_no_score() -> None:
    document = read(ORDERS)
    document["components"]["schemas"]["Spare"] = {"type": "object", "description": "Well described", "properties": {}}
    before = lint(document)
    del document["components"]["schemas"]["Spare"]
    assert lint(document).exact > before.exact


def test_what_nothing_uses_is_found_through_circles() -> None:
    text = """
    openapi: 3.1.0
    info: {title: A, version: "1"}
    paths: {/a: {get: {responses: {"200": {description: A, content: {application/json: {schema: {$ref: "#/components/schemas/A"}}}}}}}}
    components:
      schemas:
        A: {properties: {b: {$ref: "#/components/schemas/B"}}}
        B: {properties: {a: {$ref: "#/components/schemas/A"}}, discriminator: {propertyName: k, mapping: {c: C}}}
        C: {type: string}
        X: {properties: {y: {$ref: "#/components/schemas/Y"}}}
        Y: {properties: {x: {$ref: "#/components/schemas/X"}}}
    """
    found = lint(read(text), RuleSet.of().only("no-unused-component")).findings
    assert [f.where for f in found] == ["X", "Y"]


@pytest.mark.parametrize(
    ("schema", "value", "is_good"),
    [
        ({"type": "string", "nullable": True}, None, True),
        ({"type": "string"}, None, False),
        ({"type": "integer", "minimum": 3, "exclusiveMinimum": True}, 3, False),
        ({"type": "integer", "minimum": 3, "exclusiveMinimum": False}, 3, True),
        ({"required": ["id"], "properties": {"id": {"type": "string", "readOnly": True}}}, {}, True),
        ({"required": ["id"], "properties": {"id": {"type": "string"}}}, {}, False),
        ({"$ref": "#/components/schemas/A"}, {"a": {"a": {}}}, True),
        ({"$ref": "#/components/schemas/A"}, {"a": {"a": 5}}, False),
        ({"type": "string", "format": "date-time"}, "2026-11-23T12:00:00Z", True),
        ({"type": "string", "format": "date-time"}, "yesterday", False),
        ({"type": "string", "pattern": "["}, "a", True),
        ({"$ref": "#/nowhere"}, "a", True),
        ({"type": "nonsense"}, "a", True),
    ],
)
def test_examples_are_tried_on_schemas_of_3_0(schema: Any, value: Any, is_good: bool) -> None:
    """What cannot be judged passes, and the next one is judged all the same."""
    media = {
        "application/json": {"schema": schema, "example": value},
        "text/a": {"schema": {"type": "string"}, "example": 5},
    }
    document = pets(responses={"200": {"description": "A", "content": media}}) | {"openapi": "3.0.3"}
    document["components"] = {
        "schemas": {"A": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}}}
    }
    places = [f.path[6] for f in lint(document, RuleSet.of().only("example-valid")).findings]
    assert places == ["text/a"] if is_good else ["application/json", "text/a"]


def test_of_alternatives_the_one_that_was_meant_is_explained() -> None:
    schema = {"type": "object", "nullable": True, "properties": {"age": {"type": "integer", "nullable": True}}}
    media = {"application/json": {"schema": schema, "example": {"age": "3"}}}
    document = pets(responses={"200": {"description": "A", "content": media}}) | {"openapi": "3.0.3"}
    found = lint(document, RuleSet.of().only("example-valid")).findings[0]
    assert found.path[-2:] == ("example", "age")
    assert found.message == 'The example does not fit: "3" is not of type "integer".'


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_schemas_that_take_for_ever_are_not_tried(keyword: str) -> None:
    twice = {f"A{i}": {keyword: [{"$ref": f"#/components/schemas/A{i + 1}"}] * 2} for i in range(60)}
    document = pets(responses={"200": {"description": "A", "content": {"application/json": {
        "schema": {"$ref": "#/components/schemas/A0"}, "example": 1}}}})  # fmt: skip
    document["components"] = {"schemas": twice | {"A60": {"type": "string"}}}
    started = time.process_time()
    lint(document)
    assert time.process_time() - started < 5  # a tenth of a second on a quiet machine


def test_a_team_switches_rules() -> None:
    names = [rule.name for rule in RuleSet.of({"info-contact": "off"}).rules]
    assert "info-contact" not in names
    assert len(names) == len(all_rules()) - 1
    rule = RuleSet.of({"info-contact": "error"}).only("info-contact").rules[0]
    assert (rule.severity, rule.points) == ("error", 4)
    report = lint(whole("info: {}"), RuleSet.of({"info-contact": "error"}))
    assert next(f for f in report.findings if f.rule == "info-contact").severity == "error"


@pytest.mark.parametrize("overrides", [{"no-such": "off"}, {"info-contact": "loud"}, {"": "off"}])
def test_what_is_no_rule_or_severity_is_refused(overrides: dict[str, str]) -> None:
    with pytest.raises(Refused, match=r"There is no lint rule|can be off, error, warning or hint"):
        RuleSet.of(overrides)


@pytest.mark.parametrize(
    ("count", "fix", "text"),
    [
        (1, "Describe {count parameter}", "Describe 1 parameter"),
        (1200, "Describe {count parameter}", "Describe 1,200 parameters"),
        (2, "Describe {count property/properties}", "Describe 2 properties"),
        (2, "Remove {count tag that nothing uses}", "Remove 2 tags that nothing uses"),
        (1, "{count x} that {is/are}", "1 x that is"),
        (3, "Name a contact", "Name a contact"),
    ],
)
def test_advice_counts(count: int, fix: str, text: str) -> None:
    assert advice(fix, count) == text


def mutated(chance: random.Random, value: Any) -> Any:
    """The document with something of another kind in some place."""
    odd = [None, 0, -1, 1e300, True, "", "x", "#/", [], {}, [[]], {"$ref": "#/components"}, {"": {}}, ["a", {"b": []}]]
    if chance.random() < 0.01:
        return chance.choice(odd)
    if isinstance(value, dict):
        return {
            k if chance.random() > 0.005 else chance.choice(["", "$ref", "x-a", "é", "a.b"]): mutated(chance, v)
            for k, v in value.items()
        }
    return [mutated(chance, v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", range(60))
def test_no_document_breaks_it(seed: int) -> None:
    chance = random.Random(seed)
    document = mutated(chance, read(ORDERS))
    if isinstance(document, dict):
        document["openapi"] = chance.choice(["3.0.3", "3.1.0"])
        text = json.dumps(document, indent=2)
        report = lint(document, positions=Positions(text))
        assert 0 <= report.score <= 100
        assert all(f.line for f in report.findings)


def test_a_teams_rules_are_kept_and_audited(app: Flask, cast: Cast) -> None:
    with app.app_context(), unit_of_work():
        alice = db.session.get_one(Person, cast.alice)
        team = alice.teams[0]
        change_lint_rules(team, {"info-contact": "off", "info-license": "hint"}, by=alice)
        change_lint_rules(team, {"info-contact": "off", "info-license": "hint"}, by=alice)
        assert team.lint_rules == {"info-contact": "off"}  # the other is as ours
        team_id = team.id
    assert trail(app).count("lint_rules.changed") == 1
    with app.app_context(), unit_of_work():
        team = db.session.get_one(Team, team_id)
        assert "info-contact" not in {rule.name for rule in rule_set(team).rules}
        with pytest.raises(Refused):
            change_lint_rules(team, {"nothing": "off"}, by=db.session.get_one(Person, cast.alice))
        team.lint_rules = {"a-rule-of-the-past": "error"}
        assert len(rule_set(team).rules) == len(all_rules())


def test_the_page_says_the_score_and_leads_to_lines(sign_in: SignIn, world: World) -> None:
    page = sign_in("dora").get("/apis/orders/1.0.0/lint?line=43").text
    report = lint(read(ORDERS))
    assert f"Score {report.score} of 100" in page
    assert "Describe 4 operations" in page
    assert 'href="?line=43#line"' in page
    assert '<li class="here" aria-current="true"><span class="no">43</span><code>    post:</code>' in page
    assert "/apis/lint-rules" not in page  # she may not switch them


def test_a_line_leads_into_the_editor_where_one_may_edit(world: World, sign_in: SignIn) -> None:
    alice = sign_in("alice")
    assert 'href="/apis/orders/1.0.0/edit?line=43#line"' in alice.get("/apis/orders/1.0.0/lint").text
    page = alice.get("/apis/orders/1.0.0/edit?line=43").text
    assert 'data-line="43"' in page
    assert '<li class="here" aria-current="true"><span class="no">43</span>' in page  # without JavaScript
    assert 'aria-current="true"' not in alice.get("/apis/orders/1.0.0/edit?line=99999").text


def test_an_admin_switches_rules_on_the_page(sign_in: SignIn, world: World, app: Flask) -> None:
    alice = sign_in("alice")
    with app.app_context():
        team = db.session.query(Team).filter_by(name="Platform").one().id
    assert "operation-description" in alice.get("/apis/orders/1.0.0/lint").text
    form = {"team": team, "rule-operation-description": "off", "rule-operation-summary": ""}
    assert alice.post("/apis/lint-rules", data=form).status_code == 302
    page = alice.get("/apis/orders/1.0.0/lint").text
    assert "operation-description" not in page
    assert "1 rule is switched off" in page
    assert "1 rule differs from ours" in alice.get(f"/apis/lint-rules?team={team}").text
    assert alice.post("/apis/lint-rules", data=form | {"rule-nothing": "off"}).status_code == 409
    assert alice.get("/apis/lint-rules?team=9999").status_code == 404


def test_who_may_not_does_not(sign_in: SignIn, world: World) -> None:
    assert sign_in("dora").get("/apis/lint-rules").status_code == 403
    assert sign_in("dora").post("/apis/lint-rules", data={}).status_code == 403
    assert sign_in("bob").get("/apis/orders/1.0.0/lint").status_code == 403
