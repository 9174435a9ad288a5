"""Looking records up: newest first, by key, always bounded in rows and in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Dialect, Row, Select, Table, literal_column, select
from sqlalchemy.sql.compiler import ExpandedState

from ..runtime import runtime
from .question import Question
from .segments import tables, windows, windows_for
from .store import LAST_ID

PAGE = 50
MOST_EXPORTED = 100_000
QUICK_S, MORE_DAYS, MOST_DAYS = 0.01, 4, 32  # to look through: 1 day, then 4, 16, 32
MARKS = ("start_of_ids", "end_of_ids", "most_of_rows")  # stand for numbers
PATIENCE_S = 1.0  # then a page shows what was found so far, and offers to go on


@dataclass(frozen=True)
class Found:
    """``older``: the key to go on from; 0: there is nothing older. ``gave_up``: it looked no further back than that."""

    rows: list[Row[Any]]
    older: int = 0
    gave_up: bool = False

    @property
    def is_all(self) -> bool:
        return not self.older


def look(question: Question, *, before: int = 0, size: int = PAGE, patience_s: float = PATIENCE_S) -> Found:
    """Days are looked through backwards, until there are enough or the patience has run out."""
    if before > LAST_ID:
        raise OverflowError("no record has such a number")
    low, high = question.ids
    rows: list[Row[Any]] = []
    deadline = time.monotonic() + patience_s
    with runtime().logs.reading() as connection:
        left, days = windows_for(connection, low, min(high, before or LAST_ID), size + 1)
        ask = _Newest(connection, question, left[0][0]) if left else None
        days = max(days, MORE_DAYS if question.is_looked_up else 1)
        while left and ask is not None:
            began = time.monotonic()
            if began > deadline:
                return Found(rows[:size], left[0][2], gave_up=True)
            these, left = left[:days], left[days:]
            rows += ask(these, most=size + 1 - len(rows))
            if len(rows) > size:
                return _page_of(rows, size)
            # where a day takes no time, as with an index, many are asked for at once
            days = min(days * MORE_DAYS, MOST_DAYS) if time.monotonic() - began < QUICK_S else 1
    return Found(rows)


def _page_of(rows: list[Row[Any]], size: int) -> Found:
    """ClickHouse lets two records have the same number: no page ends between them, or the second would be on none."""
    end = next((n for n in range(size, 0, -1) if rows[n - 1].id != rows[n].id), size)
    return Found(rows[:end], rows[end - 1].id)


class _Newest:
    """A question to one table after the other, put into SQL once: for thirty days that took longer than the answers."""

    def __init__(self, connection: Connection, question: Question, like: Table) -> None:
        self.connection, self.like = connection, like
        self.said = _said(question.timeless, like, connection.dialect)

    def __call__(self, parts: list[tuple[Table, int, int]], most: int) -> list[Row[Any]]:
        """The newest of these tables, which are in their order, newest first; at most so many."""
        values, names = self.said.parameters, self.said.positiontup
        sql = [self._in(*part, most) for part in parts]
        if len(sql) > 1:
            sql = [f"SELECT * FROM ({one}) AS part_{n}" for n, one in enumerate(sql)]  # noqa: S608 - of ours, as below
        said = tuple(values[n] for n in names) * len(sql) if names else values
        rows = self.connection.exec_driver_sql(" UNION ALL ".join(sql), said).all()
        return sorted(rows, key=lambda row: -row.id)[:most] if len(sql) > 1 else list(rows)

    def _in(self, t: Table, *numbers: int) -> str:
        sql = self.said.statement.replace(self.like.name, t.name)  # names of ours; what others said is in the values
        for mark, number in zip(MARKS, numbers, strict=True):
            sql = sql.replace(mark, str(number))
        return sql


@lru_cache(maxsize=64)
def _said(question: Question, like: Table, dialect: Dialect) -> ExpandedState:
    """The same question comes again and again, from whoever reads on or again; its times are in the marks."""
    start, end, most = (literal_column(name, BigInteger) for name in MARKS)
    query = _query(question, like).where(like.c.id >= start, like.c.id < end).order_by(like.c.id.desc()).limit(most)
    return query.compile(dialect=dialect).construct_expanded_state()


def newest(question: Question, *, size: int = PAGE) -> list[Row[Any]]:
    return look(question, size=size).rows


def find_record(record_id: int, question: Question) -> Row[Any] | None:
    """One record, within what ``question`` may see."""
    with runtime().logs.reading() as connection:
        for t in tables(connection, record_id, record_id + 1):
            return connection.execute(_query(question, t).where(t.c.id == record_id)).first()
    return None


def since_record(question: Question, after: int, *, size: int = PAGE) -> list[Row[Any]]:
    """Those that came after a record, oldest first: what a tail shows next."""
    low, high = question.ids
    rows: list[Row[Any]] = []
    with runtime().logs.reading() as connection:
        for t, start, end in reversed(windows(connection, max(low, after + 1), high)):
            query = _query(question, t).where(t.c.id >= start, t.c.id < end, t.c.id > after)
            rows += connection.execute(query.order_by(t.c.id).limit(size - len(rows)))
            if len(rows) >= size:
                break
    return rows


def export(question: Question, size: int = MOST_EXPORTED) -> Iterator[Row[Any]]:
    """Page after page, so that no transaction stays open while the reader is slow."""
    before, left = 0, size
    while left > 0:
        found = look(question, before=before, size=min(1000, left))
        yield from found.rows
        if found.is_all:
            return
        before, left = found.older, left - len(found.rows)


def _query(question: Question, t: Table) -> Select[tuple[object, ...]]:
    return select(*t.columns).where(*question.conditions(t))
