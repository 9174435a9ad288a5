"""A document, looked at by a rule set."""

from __future__ import annotations

from typing import Any

from ..positions import Positions
from ..tree import Path
from . import examples as examples  # its functions are known by name
from . import openapi_functions as openapi_functions
from .facts import Facts
from .functions import FUNCTIONS, Failures
from .places import Place, objects
from .report import MOST_A_RULE, Finding, Outcome, Report, scored, where
from .rules import Rule, RuleSet


def lint(document: dict[str, Any], rules: RuleSet | None = None, positions: Positions | None = None) -> Report:
    """Findings, score and advice. The document was read, but it may be one that could not be published."""
    facts = Facts(document)
    judges = [_Judge(rule, facts) for rule in (rules or RuleSet.of()).rules]
    by_kind: dict[str, list[tuple[_Judge, Place]]] = {}
    for judge in judges:
        for place in judge.rule.at:
            by_kind.setdefault(place.kind, []).append((judge, place))
    unused = {path for path in facts.unused if path[1] != "securitySchemes"}  # one may be meant for later operations
    for kind, path, node in objects(document, frozenset(unused)):
        for judge, place in by_kind.get(kind, ()):
            if place.steps:
                for at, value in place.within(path, node):
                    if at not in unused or judge.sees_unused:
                        judge.look(at, value)
            else:
                judge.look(path, node)
    for judge in judges:
        judge.tell(document, positions)
    return scored([judge.outcome for judge in judges])


class _Judge:
    """One rule at work on one document."""

    def __init__(self, rule: Rule, facts: Facts) -> None:
        self.rule, self.outcome = rule, Outcome(rule)
        self.when = [FUNCTIONS[name](parameters, facts) for name, parameters in rule.when]
        self.check = FUNCTIONS[rule.check[0]](rule.check[1], facts)
        self.sees_unused = rule.check[0] == "used"
        self.failures: list[tuple[Path, Failures]] = []

    def look(self, path: Path, node: Any) -> None:
        try:
            if any(condition(path, node) for condition in self.when):
                return
            failures = self.check(path, node)
        except (TypeError, ValueError, AttributeError, KeyError, IndexError):
            return  # something of another kind than belongs here; what the schema says of it is told elsewhere
        self.outcome.places += 1
        if failures:
            self.outcome.failing += 1
            if len(self.failures) < MOST_A_RULE:
                self.failures.append((path, failures))

    def tell(self, document: dict[str, Any], positions: Positions | None) -> None:
        for path, failures in self.failures:
            at, said = failures[0]
            full = (*path, *at)
            line = positions.line(full) if positions else 0
            text = _filled(self.rule.message, {"key": str(path[-1]) if path else "", **said})
            self.outcome.findings.append(
                Finding(self.rule.name, self.rule.severity, full, line, text, where(document, full))
            )


def _filled(message: str, said: dict[str, Any]) -> str:
    for name, value in said.items():
        text = f"{value[0]} {value[1]}" if isinstance(value, tuple) and len(value) > 1 else str(value)
        message = message.replace(f"{{{name}}}", text if len(text) <= 120 else f"{text[:119]}…")
    return message
