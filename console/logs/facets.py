"""What the calls that a question finds have in common: how many of each status, API, application, node and so on.

Exact where the sums answer, else of the newest records that were looked at; which of the two is said with each.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    String,
    Table,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from ..runtime import runtime
from .days import Span, closed_days, during, last_hours
from .histogram import summed_in, within
from .phrases import whole
from .question import Question
from .segments import catalogue, windows_for
from .store import moment_of
from .together import together

LOOKED_AT = 2_000
PATIENCE_S = 0.12
MOST = 30
Key = Any


@dataclass(frozen=True)
class Facet:
    """``sampled``: of how many records it was counted; 0: of all in that time."""

    name: str
    counts: list[tuple[Key, int]]
    sampled: int = 0


@dataclass(frozen=True)
class _Way:
    """``without``: what to ask for every value of it. ``column``: in a record. ``summed``: in the sums, if there."""

    name: str
    without: dict[str, Any] = field(hash=False)
    column: str
    summed: str = ""

    @property
    def is_number(self) -> bool:
        return self.column in ("status", "version_id", "node_id")


NOTHING: frozenset[Any] = frozenset()
WAYS = (
    _Way("status", {"classes": NOTHING, "statuses": NOTHING}, "status", "status_class"),
    _Way("api", {"version_ids": None}, "version_id", "version_id"),
    _Way("operation", {"operations": NOTHING}, "operation", "operation"),
    _Way("application", {"client_ids": None}, "client_id", "client_id"),
    _Way("node", {"node_ids": None}, "node_id", "node_id"),
    _Way("method", {"methods": NOTHING}, "method"),
    _Way("country", {"countries": NOTHING}, "country", "country"),
    _Way("reason", {"reasons": NOTHING}, "reason"),
)


Rows = list[tuple[Any, ...]]


def facets(
    question: Question,
    since: datetime,
    until: datetime,
    *,
    leave_out: Iterable[str] = (),
    beside: Mapping[str, Select[Any] | None] | None = None,
) -> tuple[list[Facet], dict[str, Rows]]:
    """``beside``: what else is asked at once, each a text and a number; its rows come second."""
    asked = replace(question, since=since, until=until)
    others: dict[_Way | str, Select[Any]] = {name: query for name, query in (beside or {}).items() if query is not None}
    summed: dict[_Way | str, Select[Any]] = {**others}
    sampled = defaultdict[Question, list[_Way]](list)
    with runtime().logs.reading() as connection:
        span = _span(connection, since, until)
        closed = closed_days(connection, span)
        for way in WAYS:
            if way.name in leave_out:
                continue
            widened = replace(asked, **way.without)
            table = _table(way, widened) if until - since >= timedelta(hours=1) else None
            if table is not None:
                summed[way] = _of_sums(widened.timeless, way, table, span, tuple(closed))
            else:
                sampled[widened].append(way)
        answers = together(connection, summed)
        found = {way.name: _facet(way, rows) for way, rows in answers.items() if isinstance(way, _Way)}
        for widened, ways in sampled.items():
            found |= {one.name: one for one in _of_sample(connection, widened, ways)}
    return [found[way.name] for way in WAYS if way.name in found], {str(name): answers[name] for name in others}


def _span(connection: Connection, since: datetime, until: datetime) -> Span:
    """Whole hours; not those whose records were dropped."""
    known = catalogue(connection)
    first = max(since, moment_of(known[0].start)) if known else since
    end = last_hours(1, until).end
    return Span(min(int(first.timestamp()) // 3600, end - 1), end)


def _table(way: _Way, question: Question) -> Table | None:
    """Sums that hold both what is asked and what is counted."""
    table = summed_in(question, way.summed) if way.summed else None
    return table if table is not None and way.summed in table.c else None


@lru_cache(maxsize=64)
def _of_sums(question: Question, way: _Way, table: Table, span: Span, closed: tuple[int, ...]) -> Select[Any]:
    """Keys as texts, so that all facets fit one answer. Remembered, as `days.during`."""
    by = {way.summed} if question.version_ids is None else {way.summed, "version_id"}
    t = during(table, span, closed, by)
    key = t.c[way.summed]
    count = func.sum(t.c.requests)
    query = select(cast(key, String).label("key"), count.label("calls")).where(*within(question, t)).group_by(key)
    found: Select[Any, Any] = query.order_by(count.desc()).limit(MOST)
    return found


def _facet(way: _Way, rows: Iterable[tuple[Any, ...]], sampled: int = 0) -> Facet:
    found = [(int(key) if way.is_number else key, int(calls)) for key, calls in rows]
    return Facet(way.name, [(key, calls) for key, calls in found if key not in ("", 0)], sampled)


def _of_sample(connection: Connection, question: Question, ways: list[_Way]) -> Iterator[Facet]:
    """Of the newest records, as far as a moment's time goes.

    Counted where they are: of thousands that come to Python, each would wait anew for the threads that take records in.
    """
    counts = {way.name: Counter[str]() for way in ways}
    looked_at, deadline, is_all = 0, time.monotonic() + PATIENCE_S, True
    left, days = windows_for(connection, *question.ids, LOOKED_AT)
    while left and is_all:
        these, left, days = left[:days], left[days:], 1
        count = _of_newest(question.timeless, tuple(ways), tuple(t for t, _, _ in these))
        said = {
            f"{name}{n}": value
            for n, (_, *ids) in enumerate(these)
            for name, value in zip(("start", "end"), ids, strict=True)
        }
        for row in connection.execute(count, said | {"most": LOOKED_AT - looked_at}):
            counts[row[0]][row[1]] += row[2]
        looked_at = counts[ways[0].name].total()
        is_all = not left or (time.monotonic() <= deadline and looked_at < LOOKED_AT)
    sampled = 0 if is_all and looked_at < LOOKED_AT else looked_at
    for way in ways:
        yield _facet(way, counts[way.name].most_common(MOST), sampled)


@lru_cache(maxsize=64)
def _of_newest(question: Question, ways: tuple[_Way, ...], tables: tuple[Table, ...]) -> CompoundSelect[Any]:
    """Of each of these. Remembered, as `days.during`."""
    parts, most = [], bindparam("most", type_=BigInteger)
    for n, t in enumerate(tables):
        start, end = (bindparam(f"{name}{n}", type_=BigInteger) for name in ("start", "end"))
        newest: Any = select(*(_key(t, way).label(way.name) for way in ways), t.c.id.label("id"))
        newest = newest.where(t.c.id >= start, t.c.id < end, *question.conditions(t)).order_by(t.c.id.desc())
        parts.append(newest.limit(most))
    if len(parts) > 1:
        parts = [select(union_all(*(select(part.subquery()) for part in parts)).subquery())]
        parts = [parts[0].order_by(literal_column("id").desc()).limit(most)]
    these = parts[0].cte("these")
    return union_all(*(select(literal(c.name, String), c, func.count()).group_by(c) for c in these.c if c.name != "id"))


def _key(t: Table, way: _Way) -> ColumnElement[str]:
    """Each as a text, so that they fit one answer."""
    if way.name == "status":
        return cast(whole(t.c.status, literal_column("100")), String)
    if way.name == "operation":
        return case((t.c.operation == "", ""), else_=t.c.method + " " + t.c.operation)
    return cast(t.c[way.column], String)
