"""Days that are over are summed up once, so that a month is thirty rows of each kind and not seven hundred.

A late record opens its day again in its own transaction: a question is then answered from the hours until the next
time days are closed. So the answer is the same at any moment, however late records come.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from sqlalchemy import (
    ColumnElement,
    Connection,
    Subquery,
    Table,
    and_,
    delete,
    false,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    union_all,
)

from . import clickhouse
from .store import Store, hour
from .sums import BY_DAY, CLOSED, HOURLY, caller, closed_day, keys, undescribed, values
from .sums import daily as daily_of
from .together import once

BARS = 48
AFTER_H = 1  # a transaction that began before midnight has ended by then
CLOSED_AT_ONCE = 3
HOURS_KEPT, DAYS_KEPT = 100 * 24, 800
UNDESCRIBED_DAYS_KEPT = 100  # anybody can make them up


@dataclass(frozen=True)
class Span:
    """Whole hours since 1970: from ``first`` on, up to and not including ``end``."""

    first: int
    end: int

    @property
    def before(self) -> Span:
        """As long, right before it."""
        return Span(2 * self.first - self.end, self.first)

    @property
    def since(self) -> datetime:
        return datetime.fromtimestamp(self.first * 3600, UTC)

    @property
    def until(self) -> datetime:
        return datetime.fromtimestamp(self.end * 3600, UTC)

    @property
    def days(self) -> range:
        """Those that are in it from their first to their last hour."""
        return range(-(-self.first // 24), self.end // 24)


def step_of(hours: float) -> int:
    """The hours that one bar of a chart stands for, at most `BARS` of them: as many in each day, else days look uneven."""
    least = hours / BARS
    return next((step for step in (1, 2, 3, 4, 6, 8, 12) if step >= least), -(-math.ceil(least) // 24) * 24)


def last_hours(hours: int, moment: datetime) -> Span:
    """The hour that is open, and as many before it as make ``hours``."""
    end = int(moment.timestamp()) // 3600 + 1
    return Span(end - hours, end)


def open_again(connection: Connection, days: set[int], today: int) -> None:
    """Said by whoever adds to the hours of these days, in the same transaction."""
    past = [day for day in days if day < today]
    if past:
        _take_turn(connection, shared=True)
        connection.execute(delete(closed_day).where(closed_day.c.day.in_(past)))


def _take_turn(connection: Connection, *, shared: bool = False) -> None:
    """SQLite has one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        lock = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        connection.execute(text(f"SELECT {lock}(hashtext('log days'))"))


def close_days(store: Store, moment: datetime) -> int:
    """Sum up days that are over, a few at once, one in a transaction; how many. Called again, it does the next ones."""
    if clickhouse.is_it(store.engine):  # its tables by the day are views
        return 0
    until = (int(moment.timestamp()) // 3600 - AFTER_H) // 24
    days = range(until - HOURS_KEPT // 24, until)
    with store.reading() as connection:
        closed = set(connection.scalars(select(closed_day.c.day).where(closed_day.c.day >= days.start)))
        begun = [day for day in days if day not in closed and _has_sums(connection, day)]
    if max(closed, default=0) >= until:
        _open_early(store, until)
    for day in begun[-CLOSED_AT_ONCE:]:
        with store.writing() as connection:
            _take_turn(connection)
            _close(connection, day)
    return len(begun[-CLOSED_AT_ONCE:])


def _open_early(store: Store, until: int) -> None:
    """Days that were closed by a clock that was ahead: they are not over, and nobody would count what they still get."""
    with store.writing() as connection:
        _take_turn(connection)
        connection.execute(delete(closed_day).where(closed_day.c.day >= until))


def _has_sums(connection: Connection, day: int) -> bool:
    query = select(hour.c.hour).where(hour.c.hour >= day * 24, hour.c.hour < day * 24 + 24).limit(1)
    return connection.scalar(query) is not None


def _close(connection: Connection, day: int) -> None:
    for table, daily in CLOSED:
        connection.execute(delete(daily).where(daily.c.day == day))
        kept = [table.c[c.name] for c in keys(daily)]
        summed = select(literal_column(str(day)), *kept, *(func.sum(c) for c in values(table)))
        summed = summed.where(table.c.hour >= day * 24, table.c.hour < day * 24 + 24).group_by(*kept)
        names = ["day", *(c.name for c in (*kept, *values(table)))]
        connection.execute(insert(daily).from_select(names, summed))
    connection.execute(delete(closed_day).where(closed_day.c.day == day))  # another worker may have been faster
    connection.execute(insert(closed_day).values(day=day))


def forget_old_sums(store: Store, moment: datetime) -> None:
    now_h = int(moment.timestamp()) // 3600
    with store.writing() as connection:
        if clickhouse.is_it(connection):
            clickhouse.forget_sums(connection, now_h - DAYS_KEPT * 24)
            clickhouse.forget_sums(connection, now_h - UNDESCRIBED_DAYS_KEPT * 24, undescribed.name)
            return
        for table in HOURLY:
            connection.execute(delete(table).where(table.c.hour < now_h - HOURS_KEPT))
        connection.execute(delete(undescribed).where(undescribed.c.day < now_h // 24 - UNDESCRIBED_DAYS_KEPT))
        for daily in (*(daily for _, daily in CLOSED), *BY_DAY, closed_day):
            connection.execute(delete(daily).where(daily.c.day < now_h // 24 - DAYS_KEPT))


def closed_days(connection: Connection, span: Span) -> list[int]:
    """Of that time, those that `during` needs no hours of."""
    days = span.days
    return list(once(connection, ("closed", days), lambda: _closed(connection, days))) if days else []


def _closed(connection: Connection, days: range) -> list[int]:
    query = select(closed_day.c.day).where(closed_day.c.day >= days.start, closed_day.c.day < days.stop)
    return sorted(connection.scalars(query))


def in_hours(table: Table, first: int, end: int) -> ColumnElement[bool]:
    """Of the callers, of whom there are most, hour by hour: so the key finds a client in each and passes over the others."""
    return table.c.hour.in_(range(first, end)) if table is caller else and_(table.c.hour >= first, table.c.hour < end)


def during(table: Table, span: Span, closed: Iterable[int], by: Iterable[str]) -> Subquery:
    """The sums of that time without their hour, at least by the keys in ``by``; of closed days one row for each key."""
    return _during(table, span, tuple(closed), frozenset(by))


@lru_cache(maxsize=64)
def _during(table: Table, span: Span, closed: tuple[int, ...], by: frozenset[str]) -> Subquery:
    """Remembered, because pages ask of the same hours again and again, and it takes as long to write as to answer."""
    daily = daily_of(table, by)
    of_days = select(*keys(daily), *values(daily)).where(daily.c.day.in_(closed))
    columns = [table.c[c.name] for c in (*keys(daily), *values(daily))]
    return union_all(of_days, select(*columns).where(_left(table, span, closed))).subquery()


def _left(table: Table, span: Span, closed: tuple[int, ...]) -> ColumnElement[bool]:
    """The hours that no closed day answers for, as ranges that the key can look up."""
    left, at = [], span.first
    for day in [*closed, span.end // 24 + 1]:
        until = min(day * 24, span.end)
        if at < until:
            left.append(and_(table.c.hour >= at, table.c.hour < until))
        at = day * 24 + 24
    return or_(false(), *left)
