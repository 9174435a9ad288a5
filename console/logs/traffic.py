"""How many calls each version had, and how they went; from the hourly sums."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal, select, union_all

from ..db import now
from ..runtime import runtime
from .days import Span, closed_days, during, last_hours
from .store import hour
from .sums import daily as daily_of
from .sums import node_hour
from .together import together


@dataclass(frozen=True)
class Traffic:
    """Sums of one version over a time."""

    requests: int = 0
    errors: int = 0  # 5xx
    refused: int = 0  # 4xx
    duration_us: int = 0

    def plus(self, status_class: int, requests: int, spent_us: int) -> Traffic:
        failed, refused = (requests if status_class == n else 0 for n in (5, 4))
        return Traffic(
            self.requests + requests, self.errors + failed, self.refused + refused, self.duration_us + spent_us
        )

    @classmethod
    def summed(cls, parts: Collection[Traffic]) -> Traffic:
        sums = (sum(getattr(one, f.name) for one in parts) for f in fields(cls))
        return cls(*sums)

    @property
    def mean_ms(self) -> float:
        return self.duration_us / self.requests / 1000 if self.requests else 0.0


def traffic(hours: int, version_ids: set[int] | None = None) -> dict[int, Traffic]:
    """By version, over the last ``hours`` whole hours and the open one; from the sums of days that are over, and of hours."""
    with runtime().logs.reading() as connection:
        return _summed(connection.execute(_by_version(connection, hours, version_ids)))


@dataclass(frozen=True)
class Seen:
    """The traffic of the last hours: by version, by version in the last 24 of them, and the sums of each hour."""

    by_version: dict[int, Traffic]
    of_day: dict[int, Traffic]
    hours: list[tuple[datetime, int, int]]  # when, status class, how many


def seen(hours: int) -> Seen:
    """In one question, or two where days that are over can answer."""
    span = last_hours(hours, now())
    by = (node_hour.c.hour, node_hour.c.status_class)
    every = select(*by, func.sum(node_hour.c.requests), literal(0)).group_by(*by)
    with runtime().logs.reading() as connection:
        asked = {"versions": _by_version(connection, hours)}
        asked["hours"] = every.where(node_hour.c.hour >= span.first, node_hour.c.hour < span.end)
        if hours != 24:
            asked["day"] = _by_version(connection, 24)
        found = together(connection, asked)
    by_version = _summed(found["versions"])
    at_each = [(datetime.fromtimestamp(at * 3600, UTC), one, int(count)) for at, one, count, _ in found["hours"]]
    return Seen(by_version, _summed(found["day"]) if hours != 24 else by_version, at_each)


def _by_version(connection: Connection, hours: int, version_ids: set[int] | None = None) -> Select[Any]:
    span = last_hours(hours, now())
    closed = closed_days(connection, span) if hours > 2 * 24 else []  # else they hardly help
    t = during(hour, span, closed, {"version_id"})
    by = (t.c.version_id, t.c.status_class)
    query = select(*by, func.sum(t.c.requests), func.sum(t.c.duration_us)).group_by(*by)
    return query if version_ids is None else query.where(t.c.version_id.in_(version_ids))


def _summed(rows: Iterable[Sequence[Any]]) -> dict[int, Traffic]:
    found: dict[int, Traffic] = {}
    for row in rows:
        _add(found, *row)
    return found


def has_traffic() -> bool:
    """Whether any API was ever called, as far back as hours are kept."""
    with runtime().logs.reading() as connection:
        return connection.scalar(select(hour.c.version_id).where(hour.c.version_id > 0).limit(1)) is not None


def _add(found: dict[int, Traffic], version_id: int, status_class: int, requests: int, spent_us: int) -> None:
    found[version_id] = found.get(version_id, Traffic()).plus(status_class, int(requests), int(spent_us))


def health(hours: int, version_ids: set[int]) -> dict[int, list[Traffic]]:
    """Hour by hour, oldest first, for the health strips."""
    first = last_hours(hours, now()).first
    query = select(hour).where(hour.c.hour >= first, hour.c.version_id.in_(version_ids))
    strips = {version_id: [Traffic()] * hours for version_id in version_ids}
    with runtime().logs.reading() as connection:
        for row in connection.execute(query):
            place = row.hour - first
            if 0 <= place < hours:
                strip = strips[row.version_id]
                strip[place] = strip[place].plus(row.status_class, row.requests, row.duration_us)
    return strips


def month_and_day(version_ids: set[int]) -> tuple[dict[int, Traffic], dict[int, list[Traffic]]]:
    """`traffic` over 30 days and `health` over 24 hours, in one question: for lists of versions."""
    month, strips = dict[int, Traffic](), {version_id: [Traffic()] * 24 for version_id in version_ids}
    if not version_ids:
        return month, strips
    span, first = last_hours(30 * 24, now()), last_hours(24, now()).first
    with runtime().logs.reading() as connection:
        closed = set(closed_days(connection, span))
        question = _days_and_hours(span, frozenset(closed), first)
        for at, version_id, *sums in connection.execute(question, {"versions": list(version_ids)}):
            if at < 0 or at // 24 not in closed:
                _add(month, version_id, *sums)
            if at >= first and at < span.end:
                strip = strips[version_id]
                strip[at - first] = strip[at - first].plus(*map(int, sums))
    return month, strips


@lru_cache(maxsize=8)
def _days_and_hours(span: Span, closed: frozenset[int], first: int) -> Any:
    """The sums of closed days, as if of the hour -1, and of each hour from ``first`` on, and of days that are not closed.

    Of these ``versions``. Remembered, as `days.during`.
    """
    versions: Any = bindparam("versions", expanding=True)
    daily = daily_of(hour, {"version_id"})
    of_day = (daily.c.version_id, daily.c.status_class)
    sums = (func.sum(daily.c.requests), func.sum(daily.c.duration_us))
    days = select(literal(-1).label("hour"), *of_day, *sums).group_by(*of_day)
    days = days.where(daily.c.day.in_(closed), daily.c.version_id.in_(versions))
    wanted = [at for at in range(span.first, span.end) if at >= first or at // 24 not in closed]
    # few hours one by one, so the key finds these versions in each and passes over all others
    of_hours = hour.c.hour.in_(wanted) if len(wanted) <= 72 else hour.c.hour >= span.first
    hours = select(hour.c.hour, hour.c.version_id, hour.c.status_class, hour.c.requests, hour.c.duration_us)
    return union_all(days, hours.where(of_hours, hour.c.version_id.in_(versions)))
