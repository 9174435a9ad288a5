"""Rules and rule sets, from the data in rules.yaml. What a rule consists of is written at the top of that file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from ...errors import Refused
from .places import Place

DATA = Path(__file__).parent / "rules.yaml"


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


OFF = "off"
WEIGHTS = {Severity.ERROR: 4, Severity.WARNING: 2, Severity.HINT: 1}


@dataclass(frozen=True)
class Rule:
    """``points``: what the score loses when the rule fails everywhere, beside the other rules' points."""

    name: str
    group: str
    severity: Severity
    points: float
    at: tuple[Place, ...]
    when: tuple[tuple[str, dict[str, Any]], ...]  # conditions: function and parameters
    check: tuple[str, dict[str, Any]]
    message: str
    why: str
    fix: str
    bad: str
    good: str
    places: tuple[str, ...] = field(default=())  # `at` as it is written

    def with_severity(self, severity: Severity) -> Rule:
        """A rule that a team takes more seriously counts for more, and the other way round."""
        return replace(self, severity=severity, points=self.points * WEIGHTS[severity] / WEIGHTS[self.severity])


@dataclass(frozen=True)
class RuleSet:
    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, overrides: Mapping[str, str] | None = None) -> RuleSet:
        """Ours, changed by ``{rule: "off"|"error"|"warning"|"hint"}``. `Refused` for names and values that are none."""
        overrides = overrides or {}
        known = {rule.name for rule in all_rules()}
        for name, value in overrides.items():
            if name not in known:
                raise Refused(
                    f"There is no lint rule named {name[:80]}. The list is on the page of lint rules.", "rules"
                )
            if value != OFF and value not in list(Severity):
                raise Refused(f"{name} can be off, error, warning or hint; not {str(value)[:40]}.", "rules")
        chosen = [(rule, overrides.get(rule.name, rule.severity)) for rule in all_rules()]
        return cls(tuple(rule.with_severity(Severity(value)) for rule, value in chosen if value != OFF))

    def only(self, *names: str) -> RuleSet:
        return RuleSet(tuple(rule for rule in self.rules if rule.name in names))


@functools.cache
def all_rules() -> tuple[Rule, ...]:
    data = yaml.load(DATA.read_text(), Loader=yaml.CSafeLoader)
    return tuple(_rule(group["group"], one) for group in data["rules"] for one in group["of"])


def _rule(group: str, data: dict[str, Any]) -> Rule:
    places = tuple(data["at"] if isinstance(data["at"], list) else [data["at"]])
    return Rule(
        name=data["name"],
        group=group,
        severity=Severity(data["severity"]),
        points=data["points"],
        at=tuple(Place.parse(place) for place in places),
        when=tuple(data.get("when", {}).items()),
        check=next(iter(data["check"].items())),
        message=data["message"],
        why=data["why"],
        fix=data["fix"],
        bad=data["bad"],
        good=data["good"],
        places=places,
    )
