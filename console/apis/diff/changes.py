"""One change, and all of them: a bounded list, with true counts of what there was."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

MOST_CHANGES = 2_000  # listed; the rest is counted
MOST_IN_A_VALUE, MOST_IN_A_SENTENCE = 80, 500  # characters


class Severity(StrEnum):
    BREAKING = "breaking"
    RISKY = "risky"
    SAFE = "safe"


@dataclass(frozen=True)
class Change:
    rule: str
    severity: Severity
    method: str  # upper case; empty for the whole document
    path: str  # the template in the old document where the operation was there
    where: str  # "response 200", "request body", "query parameter limit", "operation"
    text: str  # a sentence; `code` stands in backticks
    before: str | None = None
    after: str | None = None

    @property
    def operation(self) -> str:
        """``GET /pets``; empty for the whole document."""
        return f"{self.method} {self.path}".strip()

    @property
    def sentence(self) -> str:
        """The text without the operation in front, for pages that group by operation."""
        return self.text.removeprefix(f"`{self.operation}`: ")


@dataclass(frozen=True)
class Comparison:
    """``changes`` is ordered: breaking, risky, safe, and each in the order of the old document."""

    changes: list[Change] = field(default_factory=list)
    counts: dict[Severity, int] = field(default_factory=dict)  # of everything, also of what is not listed
    breaking_operations: list[tuple[str, str]] = field(default_factory=list)  # method and path, complete
    incomplete: bool = False  # the documents are too entangled to compare to the end

    def __bool__(self) -> bool:
        return bool(self.changes)

    def count(self, severity: Severity) -> int:
        return self.counts.get(severity, 0)

    @property
    def more(self) -> int:
        """How many changes are counted but not listed."""
        return sum(self.counts.values()) - len(self.changes)

    @property
    def worst(self) -> Severity | None:
        return next((severity for severity in Severity if self.count(severity)), None)

    @property
    def breaks_everything(self) -> bool:
        """A change of the whole document is breaking, such as security that every operation now asks for."""
        return any(c.severity is Severity.BREAKING and not c.path for c in self.changes)

    def by_operation(self) -> dict[str, list[Change]]:
        """``GET /pets`` to its changes; the empty key holds those of the whole document."""
        found: dict[str, list[Change]] = {}
        for change in self.changes:
            found.setdefault(change.operation, []).append(change)
        return found


class Ledger:
    """Takes changes in document order. Of each severity as many are kept as are listed at most."""

    def __init__(self) -> None:
        self.kept: dict[Severity, list[Change]] = {severity: [] for severity in Severity}
        self.counts: Counter[Severity] = Counter()
        self.breaking: dict[tuple[str, str], None] = {}  # a set that keeps its order

    def has_room(self, severity: Severity) -> bool:
        return len(self.kept[severity]) < MOST_CHANGES

    def count(self, severity: Severity, method: str, path: str) -> None:
        self.counts[severity] += 1
        if severity is Severity.BREAKING and path:
            self.breaking[method, path] = None

    def total(self, incomplete: bool) -> Comparison:
        listed = [change for severity in Severity for change in self.kept[severity]]
        return Comparison(listed[:MOST_CHANGES], dict(self.counts), list(self.breaking), incomplete)


def short(value: object, most: int = MOST_IN_A_VALUE) -> str | None:
    """A value of a document as a few characters."""
    if value is None:
        return None
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= most else text[: most - 1] + "…"
