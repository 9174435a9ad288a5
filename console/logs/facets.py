"""What the calls that a question finds have in common: how many of each status, API, application, node and so on.

Exact where the sums answer, else of the newest records that were looked at; which of the two is said with each.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select

from ..runtime import runtime
from .analytics import last_hours
from .days import Span, closed_days, during
from .histogram import summed_in, within
from .question import Question
from .segments import catalogue, windows
from .store import moment_of

LOOKED_AT = 20_000
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
    without: dict[str, Any]
    column: str
    summed: str = ""


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


def facets(question: Question, since: datetime, until: datetime, *, leave_out: Iterable[str] = ()) -> list[Facet]:
    asked = replace(question, since=since, until=until)
    samples: dict[Question, list[Sequence[Any]]] = {}
    found = []
    with runtime().logs.reading() as connection:
        span = _span(connection, since, until)
        closed = closed_days(connection, span)
        for way in WAYS:
            if way.name in leave_out:
                continue
            widened = replace(asked, **way.without)
            table = _table(way, widened) if until - since >= timedelta(hours=1) else None
            if table is not None:
                found.append(Facet(way.name, _of_sums(connection, widened, way, table, span, closed)))
                continue
            if widened not in samples:
                samples[widened] = _sample(connection, widened)
            found.append(_of_sample(way, samples[widened]))
    return found


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


def _of_sums(
    connection: Connection, question: Question, way: _Way, table: Table, span: Span, closed: list[int]
) -> list[tuple[Key, int]]:
    by = {way.summed} if question.version_ids is None else {way.summed, "version_id"}
    t = during(table, span, closed, by)
    key = t.c[way.summed]
    count = func.sum(t.c.requests)
    query = select(key, count).where(*within(question, t)).group_by(key)  # type: ignore[arg-type]
    return [(k, int(n)) for k, n in connection.execute(query.order_by(count.desc()).limit(MOST)) if k not in ("", 0)]


def _sample(connection: Connection, question: Question) -> list[Sequence[Any]]:
    """The newest records, as far as a moment's time goes."""
    rows: list[Sequence[Any]] = []
    deadline = time.monotonic() + PATIENCE_S
    for t, start, end in windows(connection, *question.ids):
        if time.monotonic() > deadline or len(rows) >= LOOKED_AT:
            break
        query = select(*_columns(t)).where(t.c.id >= start, t.c.id < end, *question.conditions(t))
        rows += connection.execute(query.order_by(t.c.id.desc()).limit(LOOKED_AT - len(rows)))
    return rows


COLUMNS = ("status", "version_id", "operation", "client_id", "node_id", "method", "country", "reason")


def _columns(t: Table) -> list[ColumnElement[Any]]:
    return [t.c[name] for name in COLUMNS]


def _of_sample(way: _Way, rows: list[Sequence[Any]]) -> Facet:
    at = COLUMNS.index(way.column)
    values: Iterable[Any] = (row[at] for row in rows)
    if way.name == "status":
        values = (value // 100 for value in values)
    elif way.name == "operation":
        method = COLUMNS.index("method")
        values = (f"{row[method]} {row[at]}" if row[at] else "" for row in rows)
    counts = Counter(values)
    return Facet(way.name, [(k, n) for k, n in counts.most_common(MOST) if k not in ("", 0)], len(rows))
