"""The report on a version, made once for a text and a rule set: of the largest documents it takes seconds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from ..accounts.models import Team
from .lint import Report, RuleSet, all_rules, lint
from .positions import Positions

MOST_REPORTS = 64  # kept in a process; each is a few hundred findings at most
EXCERPT = 6  # lines around the one that is asked for
LONGEST_LINE = 300

_reports: OrderedDict[bytes, Report] = OrderedDict()
_lock = threading.Lock()


def rule_set(team: Team) -> RuleSet:
    """As the team switched it. Names of rules that are no more are passed over: only a new choice can be refused."""
    known = {rule.name for rule in all_rules()}
    return RuleSet.of({name: value for name, value in (team.lint_rules or {}).items() if name in known})


def report(source: str, document: dict[str, Any], rules: RuleSet) -> Report:
    key = _key(source, {rule.name: rule.severity for rule in rules.rules})
    with _lock:
        if key in _reports:
            _reports.move_to_end(key)
            return _reports[key]
    found = lint(document, rules, Positions(source))
    with _lock:
        _reports[key] = found
        while len(_reports) > MOST_REPORTS:
            _reports.popitem(last=False)
    return found


def _key(source: str, severities: Mapping[str, str]) -> bytes:
    return sha256(source.encode(errors="replace") + b"\0" + repr(sorted(severities.items())).encode()).digest()


def excerpt(source: str, line: int) -> list[tuple[int, str]]:
    """The numbered lines around one; none when the text has no such line."""
    lines = source.splitlines()
    if not 1 <= line <= len(lines):
        return []
    first = max(1, line - EXCERPT)
    return [(n, lines[n - 1][:LONGEST_LINE]) for n in range(first, min(len(lines), line + EXCERPT) + 1)]
