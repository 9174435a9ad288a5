"""Looking records up: newest first, by key, always bounded in rows and in time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, Select, Table, bindparam, select

from ..runtime import runtime
from .question import Question
from .segments import tables, windows
from .store import LAST_ID

PAGE = 50
MOST_EXPORTED = 100_000
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
        parts = windows(connection, low, min(high, before or LAST_ID))
        ask = _Newest(connection, question, parts[0][0]) if parts else None
        for t, start, end in parts:
            if time.monotonic() > deadline:
                return Found(rows[:size], end, gave_up=True)
            assert ask is not None
            rows += ask(t, start=start, end=end, most=size + 1 - len(rows))
            if len(rows) > size:
                return _page_of(rows, size)
    return Found(rows)


def _page_of(rows: list[Row[Any]], size: int) -> Found:
    """ClickHouse lets two records have the same number: no page ends between them, or the second would be on none."""
    end = next((n for n in range(size, 0, -1) if rows[n - 1].id != rows[n].id), size)
    return Found(rows[:end], rows[end - 1].id)


class _Newest:
    """A question to one table after the other, put into SQL once: for thirty days that took longer than the answers."""

    def __init__(self, connection: Connection, question: Question, like: Table) -> None:
        start, end, most = (bindparam(name, 0, BigInteger) for name in ("start", "end", "most"))
        query = _query(question, like).where(like.c.id >= start, like.c.id < end).order_by(like.c.id.desc()).limit(most)
        self.connection, self.like = connection, like
        self.said = query.compile(dialect=connection.dialect).construct_expanded_state()

    def __call__(self, t: Table, **values: int) -> Sequence[Row[Any]]:
        values = {**self.said.parameters, **values}
        names = self.said.positiontup
        sql = self.said.statement.replace(self.like.name, t.name)  # names of ours; what others said is in the values
        return self.connection.exec_driver_sql(sql, tuple(values[n] for n in names) if names else values).all()


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
