"""How many calls there were over a time, by class: from the sums where they can answer, else from the records."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, String, Subquery, Table, cast, func, literal_column, select

from ..runtime import runtime
from .days import in_hours, step_of
from .phrases import whole
from .question import Question
from .segments import windows
from .store import SEQUENCE_BITS, hour, id_at
from .sums import caller, country_hour, node_hour, operation

CLASSES = 16  # more than there are of status
MOST_S = 0.7  # looking through records; then what is older is not counted, and said to be so
Count = tuple[datetime, int, int]  # when, status class, how many


@dataclass(frozen=True)
class Bucket:
    start: datetime
    ok: int = 0
    refused: int = 0  # 4xx
    failed: int = 0  # 5xx
    is_counted: bool = True

    @property
    def total(self) -> int:
        return self.ok + self.refused + self.failed


def histogram(
    question: Question, since: datetime, until: datetime, rows: Iterable[Count] | None = None
) -> list[Bucket]:
    """Requests by time and class. ``rows``: where all that there are were counted already."""
    buckets = _buckets(since, until)
    width = (until - since) / buckets
    counted_from = since
    if rows is None and (query := by_the_hour(question, since, until)) is not None:
        with runtime().logs.reading() as connection:
            rows = hours_of(connection.execute(query))
    elif rows is None:
        rows, counted_from = _of_records(question, since, until, width)
    counts = [[0, 0, 0] for _ in range(buckets)]
    for moment, status_class, number in rows:
        place = int((max(moment, since) - since) / width)  # an hour that began before counts to the first
        if 0 <= place < buckets:
            counts[place][max(0, min(status_class, 5) - 3)] += number
    return [
        Bucket(since + width * i, one[0], one[1], one[2], since + width * (i + 0.999) > counted_from)
        for i, one in enumerate(counts)
    ]


def summed_in(question: Question, also: str = "") -> Table | None:
    """The table whose sums answer this question, if any does. ``also``: a column to be counted by."""
    q = question
    texts = (q.path, q.over_us, q.backend_over_us, q.request_id, q.trace_id, q.jti, q.address, q.words)
    if any(texts) or q.statuses or q.methods or q.reasons:
        return None
    asked = {
        "client_id": (q.client_ids is not None, caller),
        "operation": (bool(q.operations), operation),
        "node_id": (q.node_ids is not None, node_hour),
        "country": (bool(q.countries), country_hour),
    }
    tables = {table for name, (is_asked, table) in asked.items() if is_asked or name == also}
    # whatever the API: by node, of which there are fewer
    table = tables.pop() if tables else node_hour if q.version_ids is None and also != "version_id" else hour
    return None if tables or (table is node_hour and q.version_ids is not None) else table


def within(question: Question, t: Table | Subquery) -> list[ColumnElement[bool]]:
    """The conditions of a question that `summed_in` found a table for, on its sums."""
    c = t.c
    found: list[ColumnElement[bool]] = []
    for name, wanted in (
        ("version_id", question.version_ids),
        ("client_id", question.client_ids),
        ("node_id", question.node_ids),
        ("operation", question.operations or None),
        ("country", question.countries or None),
    ):
        if wanted is not None and name in c:
            found.append(c[name].in_(wanted))
    if question.classes and "status_class" in c:
        found.append(c.status_class.in_([int(name[0]) for name in question.classes]))
    return found


def _buckets(since: datetime, until: datetime) -> int:
    hours = (until - since) / timedelta(hours=1)
    return 60 if hours < 20 else round(hours / step_of(hours))


def by_the_hour(question: Question, since: datetime, until: datetime) -> Select[Any] | None:
    """For `together`: the sums of each hour and class, which `hours_of` reads. None where only the records can answer."""
    table = summed_in(question)
    if table is None or (until - since) / _buckets(since, until) < timedelta(minutes=59):
        return None
    first, last = (int(moment.timestamp()) // 3600 for moment in (since, until))
    return _by_the_hour(question.timeless, table, first, last + 1)


@lru_cache(maxsize=64)
def _by_the_hour(question: Question, table: Table, first: int, end: int) -> Select[Any]:
    """Remembered, as `days.during`."""
    key = cast(table.c.hour * CLASSES + table.c.status_class, String)
    query: Select[Any, Any] = select(key, func.sum(table.c.requests)).group_by(table.c.hour, table.c.status_class)
    return query.where(in_hours(table, first, end), *within(question, table))


def hours_of(rows: Iterable[Sequence[Any]]) -> list[Count]:
    found = ((*divmod(int(key), CLASSES), int(count)) for key, count in rows)
    return [(datetime.fromtimestamp(at * 3600, UTC), status_class, count) for at, status_class, count in found]


def _of_records(question: Question, since: datetime, until: datetime, width: timedelta) -> tuple[list[Count], datetime]:
    """And from when on they are counted."""
    step = max(1, int(width.total_seconds() * 1_000_000)) << SEQUENCE_BITS
    asked, first = replace(question, since=since, until=until), id_at(since)
    found: list[Count] = []
    counted_from, deadline = until, time.monotonic() + MOST_S
    with runtime().logs.reading() as connection:
        for t, start, end in _pieces(windows(connection, *asked.ids), step):
            if time.monotonic() > deadline:
                return found, counted_from
            # literals: PostgreSQL must see that what is asked for is what is grouped by
            place = whole(t.c.id - literal_column(str(first)), literal_column(str(step)))
            status_class = whole(t.c.status, literal_column("100"))
            query = select(place, status_class, func.count()).select_from(t)
            query = query.where(t.c.id >= start, t.c.id < end, *asked.conditions(t)).group_by(place, status_class)
            found += [(since + width * int(p) + width / 2, int(c), n) for p, c, n in connection.execute(query)]
            counted_from = since + width * ((start - first) / step)
    return found, since


def _pieces(parts: list[tuple[Table, int, int]], step: int) -> Iterable[tuple[Table, int, int]]:
    """Newest first, each not much longer than a few steps at the start: so there is always something to show."""
    size = 4 * step
    for table, start, end in parts:
        while end > start:
            low = max(start, end - size)
            yield table, low, end
            end, size = low, size * 2
