"""What a team can change about linting."""

from __future__ import annotations

from collections.abc import Mapping

from ..accounts.models import Person, Team
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, serialise
from .lint import RuleSet, all_rules


def change_lint_rules(team: Team, overrides: Mapping[str, str], *, by: Person) -> None:
    """From now on the team's documents are judged so: ``{rule: "off"|"error"|"warning"|"hint"}``, all others as they come."""
    RuleSet.of(overrides)
    ours = {rule.name: str(rule.severity) for rule in all_rules()}
    after = {name: str(value) for name, value in sorted(overrides.items()) if value != ours[name]}
    serialise(f"team {team.id}")
    db.session.refresh(team)
    before = team.lint_rules or {}
    if before != after:
        team.lint_rules = after or None
        names = sorted(before.keys() | after.keys())
        changes = {
            n: [before.get(n, ours.get(n)), after.get(n, ours.get(n))] for n in names if before.get(n) != after.get(n)
        }
        record(Action.LINT_RULES_CHANGED, team, by=by, changes=changes)
