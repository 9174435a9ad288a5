"""What is asked of the request log: conditions on a record, the same on every database."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import ColumnElement, Table, and_, literal_column, or_

from .phrases import holds
from .store import LAST_ID, id_at

CLASSES = {"2xx": (200, 300), "3xx": (300, 400), "4xx": (400, 500), "5xx": (500, 600)}
Conditions = list[ColumnElement[bool]]


@dataclass(frozen=True)
class Question:
    """Of the sets: None: any; an empty one finds nothing. An empty text or frozenset() with a default asks for nothing."""

    since: datetime | None = None
    until: datetime | None = None
    version_ids: frozenset[int] | None = None
    client_ids: frozenset[str] | None = None
    node_ids: frozenset[int] | None = None
    classes: frozenset[str] = field(default_factory=frozenset)  # "4xx"
    statuses: frozenset[int] = field(default_factory=frozenset)  # 404; either is enough
    methods: frozenset[str] = field(default_factory=frozenset)
    countries: frozenset[str] = field(default_factory=frozenset)
    operations: frozenset[str] = field(default_factory=frozenset)  # "GET /orders/{id}"
    reasons: frozenset[str] = field(default_factory=frozenset)
    path: str = ""
    over_us: int = 0
    backend_over_us: int = 0
    request_id: str = ""
    trace_id: str = ""
    jti: str = ""
    address: str = ""
    words: str = ""

    @property
    def ids(self) -> tuple[int, int]:
        """From the first on, up to and not including the second."""
        return id_at(self.since) if self.since else 0, id_at(self.until) if self.until else LAST_ID

    @property
    def timeless(self) -> Question:
        """The same of any time: by which what is written of it is remembered."""
        return replace(self, since=None, until=None)

    @property
    def is_looked_up(self) -> bool:
        """By a column that each table has an index of, for few of its records: a day more takes hardly any time."""
        return self.client_ids is not None or bool(self.request_id or self.trace_id)

    def conditions(self, t: Table) -> Conditions:
        """On one table of records."""
        return [*self._between(t), *self._of_sets(t), *self._of_texts(t), *self._of_words(t), *self._of_status(t)]

    def _between(self, t: Table) -> Conditions:
        low, high = self.ids
        found: Conditions = [t.c.id >= low] if self.since else []
        return [*found, t.c.id < high] if self.until else found

    def _of_sets(self, t: Table) -> Conditions:
        found: Conditions = [
            column.in_(wanted)
            for column, wanted in (
                (t.c.version_id, self.version_ids),
                (t.c.client_id, self.client_ids),
                (t.c.node_id, self.node_ids),
                (t.c.method, self.methods or None),
                (t.c.country, self.countries or None),
                (t.c.reason, self.reasons or None),
            )
            if wanted is not None
        ]
        return [*found, or_(*(_is_operation(t, one) for one in sorted(self.operations)))] if self.operations else found

    def _of_texts(self, t: Table) -> Conditions:
        found: Conditions = [
            column == wanted
            for column, wanted in (
                (t.c.request_id, self.request_id),
                (t.c.jti, self.jti),
                (t.c.client_address, self.address),
            )
            if wanted
        ]
        if self.trace_id:
            found += [_is_trace(t, self.trace_id)]
        if self.path:
            found += [holds(t.c.path, self.path)]
        if self.over_us:
            found += [t.c.duration_us > self.over_us]
        return [*found, t.c.backend_us > self.backend_over_us] if self.backend_over_us else found

    def _of_words(self, t: Table) -> Conditions:
        """Each of them somewhere in what people read of a record."""
        return [
            or_(
                holds(t.c.path, word),
                holds(t.c.user_agent, word),
                holds(t.c.reason, word),
                t.c.client_address == word,
                t.c.request_id == word,
                t.c.trace_id == word.lower(),
                t.c.jti == word,
            )
            for word in self.words.split()[:8]
        ]

    def _of_status(self, t: Table) -> Conditions:
        if not self.classes and not self.statuses:
            return []
        ranges = [CLASSES[name] for name in sorted(self.classes & CLASSES.keys())]
        ranges += [(status, status + 1) for status in sorted(self.statuses)]
        either = or_(literal_column("1 = 0"), *(t.c.status.between(low, high - 1) for low, high in ranges))
        # the literal lets SQLite use the partial index; a bound parameter would not
        failed: Conditions = [literal_column("status >= 400")] if ranges and min(ranges)[0] >= 400 else []
        return [*failed, either]


def _is_operation(t: Table, said: str) -> ColumnElement[bool]:
    method, _, template = said.partition(" ")
    return and_(t.c.operation == template, t.c.method == method)


def _is_trace(t: Table, trace_id: str) -> ColumnElement[bool]:
    """The literal, for the index again."""
    return and_(literal_column("trace_id <> ''"), t.c.trace_id == trace_id.lower())
