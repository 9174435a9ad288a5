"""From what was found to changes of one operation, or of the whole document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .changes import MOST_IN_A_SENTENCE, Change, Ledger, short
from .rules import RULES
from .schema_rules import MEMBERS
from .schemas import Found

NOTHING = "nothing"


class Place(NamedTuple):
    """Where in an operation a schema is used."""

    root: str  # what rules about the whole of it begin with: request-parameter, request-body, response-body, response-header
    where: str  # as in `Change.where`
    words: str  # the same within a sentence


class Report:
    """Empty ``method`` and ``path`` stand for the whole document."""

    def __init__(self, ledger: Ledger, method: str = "", path: str = "") -> None:
        self.ledger = ledger
        self.method = method.upper()
        self.path = path
        self.prefix = f"`{self.method} {path}`: " if path else ""

    def add(self, rule: str, where: str, before: object = None, after: object = None, **words: object) -> None:
        """``words`` fill in the sentence of the rule, beside ``before`` and ``after``."""
        severity, sentence = RULES[rule]
        self.ledger.count(severity, self.method, self.path)
        if self.ledger.has_room(severity):
            before, after = short(before), short(after)
            said = sentence.format(before=before or NOTHING, after=after or NOTHING, **words)
            text = self.prefix + str(short(said, MOST_IN_A_SENTENCE))
            change = Change(rule, severity, self.method, self.path, where, text, before, after)
            self.ledger.kept[severity].append(change)

    def schema(self, place: Place, founds: Iterable[Found]) -> None:
        side = place.root.partition("-")[0]
        for found in founds:
            if found.kind in MEMBERS:
                self.add(f"{side}-{found.kind}", place.where, of=place.words, name=found.path)
                continue
            rule = f"{side}-property-{found.kind}" if found.path else f"{place.root}-{found.kind}"
            of = f"property `{found.path}` of {place.words}" if found.path else place.words
            self.add(rule, place.where, found.before, found.after, of=of, name=found.name)
