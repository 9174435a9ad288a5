"""What linting found, and the score. How it comes about: docs/lint.md."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from ..openapi import METHODS
from ..tree import Path
from .rules import Rule, Severity

MOST_A_RULE = 50  # findings that are kept
MOST_ADVICE = 5
ORDER = {severity: i for i, severity in enumerate(Severity)}


@dataclass(frozen=True)
class Finding:
    """``line`` counts from 1, 0 where the text is not known. ``where``: the place in words, such as ``GET /pets limit``."""

    rule: str
    severity: Severity
    path: Path
    line: int
    message: str
    where: str


@dataclass
class Outcome:
    """Of one rule: ``places`` that it looked at, ``failing`` of them, and the first of its findings."""

    rule: Rule
    places: int = 0
    failing: int = 0
    findings: list[Finding] = field(default_factory=list)
    gain: float = 0.0  # what the score would rise by if nothing failed

    @property
    def more(self) -> int:
        return self.failing - len(self.findings)

    @property
    def share(self) -> float:
        """Of the rule's points that are lost. The root makes the first failures cost most: one in a hundred a tenth, one in
        four half; so that a rule which fails at all is worth mending."""
        return math.sqrt(self.failing / self.places) if self.places else 0.0


@dataclass(frozen=True)
class Advice:
    rule: str
    text: str  # Describe 12 parameters
    gain: float


@dataclass(frozen=True)
class Report:
    outcomes: list[Outcome]  # of all rules that are on, in their order
    score: int  # 0..100
    exact: float  # before it was rounded

    @property
    def failed(self) -> list[Outcome]:
        """By severity, then by what mending them gains."""
        found = [outcome for outcome in self.outcomes if outcome.failing]
        return sorted(found, key=lambda o: (ORDER[o.rule.severity], -o.gain, o.rule.name))

    @property
    def findings(self) -> list[Finding]:
        return [finding for outcome in self.failed for finding in outcome.findings]

    @property
    def advice(self) -> list[Advice]:
        """The few rules whose mending raises the score most."""
        best = sorted((o for o in self.outcomes if o.failing), key=lambda o: (-o.gain, o.rule.name))[:MOST_ADVICE]
        return [Advice(o.rule.name, advice(o.rule.fix, o.failing), o.gain) for o in best]

    def count(self, severity: Severity) -> int:
        return sum(o.failing for o in self.outcomes if o.rule.severity == severity)


def scored(outcomes: list[Outcome]) -> Report:
    """100 less what each rule loses of its points, and not below 0. Rounded down: only what has no finding gets 100."""
    for outcome in outcomes:
        outcome.gain = outcome.rule.points * outcome.share
    exact = max(0.0, 100 - sum(outcome.gain for outcome in outcomes))
    return Report(outcomes, math.floor(exact + 1e-9), exact)


def advice(fix: str, count: int) -> str:
    """``{count parameter}`` with its number; ``{is/are}`` agrees with it."""
    text = re.sub(r"\{count ([^{}]+)\}", lambda m: f"{count:,} {_form(m[1], count)}", fix)
    return re.sub(r"\{([^{}]+/[^{}]+)\}", lambda m: _form(m[1], count), text)


def _form(word: str, count: int) -> str:
    one, _, many = word.partition("/")
    return one if count == 1 else many or _many(one)


def _many(one: str) -> str:
    """The plural of the first noun that can have one: ``component that nothing uses``."""
    noun, that, rest = one.partition(" that ")
    return f"{noun}{'es' if noun.endswith('s') else 's'}{that}{rest}"


def where(document: dict[str, Any], path: Path) -> str:
    """A path in a reader's words: methods before their path, parameters by name, components by theirs."""
    rest = list(path)
    words: list[str] = []
    if len(path) > 1 and path[0] in ("paths", "webhooks"):
        method = str(path[2]).upper() if len(path) > 2 and path[2] in METHODS else ""
        words = [f"{method} {path[1]}".strip()]
        rest = rest[3 if method else 2 :]
    elif len(path) > 2 and path[0] == "components":
        words, rest = [str(path[2])], rest[3:]
    words += _named(document, path, rest)
    return " › ".join(words)[:200] or "the document"


PLAIN = {"properties", "content", "schema", "parameters", "schemas"}  # said by what is in them


def _named(document: dict[str, Any], path: Path, rest: list[str | int]) -> list[str]:
    here: Any = document
    for part in path[: len(path) - len(rest)]:
        here = _step(here, part)
    words = []
    for i, part in enumerate(rest):
        here = _step(here, part)
        name = here.get("name") if isinstance(part, int) and isinstance(here, dict) else None
        if part not in PLAIN or i == len(rest) - 1:
            words.append(str(name) if name else f"no. {part + 1}" if isinstance(part, int) else str(part))
    return words


def _step(here: Any, part: str | int) -> Any:
    if isinstance(here, dict):
        return here.get(part)
    return here[part] if isinstance(here, list) and isinstance(part, int) and part < len(here) else None
