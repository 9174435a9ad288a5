"""How much, how well and how fast, over a time and the time before it; from the sums, never from the records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, Subquery, Table, bindparam, case, func, literal, select, union_all

from .days import Span, closed_days, during, in_hours, step_of
from .histogram import Bucket
from .rollups import percentile
from .store import hour
from .sums import caller, country_hour, latency, node_hour, node_latency, operation, operation_latency
from .together import together

MOST = 200
NO_BUCKET = -1
Key = Any  # a version's or node's number, a client id, a status class; (version's number, operation) of an operation


class By(StrEnum):
    API = "api"
    OPERATION = "operation"
    APPLICATION = "application"
    NODE = "node"
    COUNTRY = "country"
    STATUS = "status"


@dataclass(frozen=True)
class Only:
    """None: all. A set: only these; an empty one finds nothing."""

    version_ids: frozenset[int] | None = None
    client_ids: frozenset[str] | None = None


@dataclass
class Sums:
    requests: int = 0
    refused: int = 0  # 4xx
    failed: int = 0  # 5xx
    bytes: int = 0
    duration_us: int = 0  # of all together, where that is summed
    buckets: dict[int, int] = field(default_factory=dict)

    def add(self, status_class: int, requests: int, moved: int, spent: int) -> None:
        self.requests += requests
        self.refused += requests if status_class == 4 else 0
        self.failed += requests if status_class == 5 else 0
        self.bytes += moved
        self.duration_us += spent

    def percentile_us(self, share: float) -> float:
        return percentile(self.buckets, share)

    @property
    def mean_us(self) -> float:
        return self.duration_us / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class About:
    """A time, and what of it is asked. ``closed``: its days that need no hours."""

    span: Span
    only: Only
    closed: tuple[int, ...]

    def during(self, table: Table, names: tuple[str, ...] = ()) -> Subquery:
        """``names``: the keys that are asked for."""
        by = {*names, "version_id"} if self.only.version_ids is not None else names
        return during(table, self.span, self.closed, by)

    def within(self, t: Subquery | Table) -> list[Any]:
        wanted = []
        if self.only.version_ids is not None and "version_id" in t.c:
            wanted.append(t.c.version_id.in_(self.only.version_ids))
        if self.only.client_ids is not None and "client_id" in t.c:
            wanted.append(t.c.client_id.in_(self.only.client_ids))
        return wanted


@lru_cache(
    maxsize=256
)  # within an hour a page asks the same again and again, and it takes as long to write as to answer
def _sums(about: About, by: By) -> Select[Any]:
    counted, names = _counted(by, about.only)
    t = about.during(counted, names)
    keys = [t.c[name] for name in names]
    requests = func.sum(t.c.requests)
    of_class = [func.sum(case((t.c.status_class == one, t.c.requests), else_=0)) for one in (4, 5)]
    others = [func.sum(t.c[name]) if name in t.c else literal(0) for name in ("bytes", "duration_us")]
    query = select(*keys, *_named(requests, *of_class, *others)).where(*about.within(t)).group_by(*keys)
    return query.order_by(requests.desc()).limit(MOST)


@lru_cache(maxsize=64)
def _whole(about: About) -> Select[Any]:
    """By class, with `NO_BUCKET`; and by how long they took, where that is known."""
    t, none = about.during(_counted(By.API, about.only)[0]), literal(0)
    sums = [func.sum(t.c[name]) if name in t.c else none for name in ("requests", "bytes", "duration_us")]
    columns = _named(literal(NO_BUCKET), t.c.status_class, *sums)
    counted = select(*columns).where(*about.within(t)).group_by(t.c.status_class)
    if about.only.client_ids is not None:
        return counted
    # all together by node, of which there are fewer than of versions
    t = about.during(node_latency if about.only.version_ids is None else latency)
    timed = select(*_named(t.c.bucket, none, func.sum(t.c.requests), none, none)).where(*about.within(t))
    return select(union_all(counted, timed.group_by(t.c.bucket)).subquery())


@lru_cache(maxsize=64)
def _times(about: About, table: Table, names: tuple[str, ...]) -> Select[Any]:
    """By the first of these names, of those that are ``wanted``."""
    t = about.during(table)
    keys = [t.c[name] for name in names]
    query = select(*keys, t.c.bucket, func.sum(t.c.requests)).where(*about.within(t))
    return query.where(keys[0].in_(bindparam("wanted", expanding=True))).group_by(*keys, t.c.bucket)


class Answers:
    """The questions to one time. ``connection`` is the logs database's."""

    def __init__(self, connection: Connection, span: Span, only: Only) -> None:
        self.connection, self.span, self.only = connection, span, only
        self.about = About(span, only, tuple(closed_days(connection, span)))

    def sums_and_before(self, by: By) -> tuple[dict[Key, Sums], dict[Key, Sums]]:
        """Of the busiest, at most `MOST`, without how long they took; now, and in as long a time before."""
        now, before = self._both(lambda about: _sums(about, by))
        return self._summed(by, now), self._summed(by, before)

    def sums(self, by: By) -> dict[Key, Sums]:
        return self._summed(by, self.connection.execute(_sums(self.about, by)))

    def _summed(self, by: By, rows: Iterable[Sequence[Any]]) -> dict[Key, Sums]:
        width, found = len(_counted(by, self.only)[1]), dict[Key, Sums]()
        for row in rows:
            count, refused, failed, moved, spent = map(int, row[width:])
            found[_key(list(row[:width]))] = Sums(count, refused, failed, moved, spent)
        return found

    def _both(self, ask: Callable[[About], Select[Any]]) -> list[list[tuple[Any, ...]]]:
        """The rows of a question to this time, and to the one before."""
        before = Answers(self.connection, self.span.before, self.only)
        found = together(self.connection, {0: ask(self.about), 1: ask(before.about)})
        return [found[0], found[1]]

    def time(self, by: By, sums: Mapping[Key, Sums]) -> None:
        """Fill in how long the requests of these took, where that is kept; nothing is kept of it by application."""
        timed = _timed(by, self.only)
        if timed is None or not sums:
            return
        table, names = timed
        wanted = {"wanted": list({key[0] if len(names) > 1 else key for key in sums})}
        for *key, bucket, requests in self.connection.execute(_times(self.about, table, tuple(names)), wanted):
            if (one := sums.get(_key(key))) is not None:
                one.buckets[bucket] = int(requests)

    def whole_and_before(self) -> tuple[Sums, Sums]:
        """All of it together; now, and in as long a time before."""
        now, before = self._both(_whole)
        return _totalled(now), _totalled(before)

    def whole(self) -> Sums:
        return _totalled(self.connection.execute(_whole(self.about)))

    def over_time(self) -> list[Bucket]:
        """Requests by class, in steps of whole hours (see `step_of`)."""
        table = node_hour if self.only == Only() else _counted(By.API, self.only)[0]
        query = select(table.c.hour, table.c.status_class, func.sum(table.c.requests)).where(*self.about.within(table))
        query = query.where(in_hours(table, self.span.first, self.span.end))
        hours = self.span.end - self.span.first
        step = step_of(hours)
        counts = [[0, 0, 0] for _ in range(-(-hours // step))]
        for at, status_class, requests in self.connection.execute(query.group_by(table.c.hour, table.c.status_class)):
            counts[(at - self.span.first) // step][max(0, min(status_class, 5) - 3)] += int(requests)
        return [
            Bucket(self.span.since + timedelta(hours=i * step), one[0], one[1], one[2]) for i, one in enumerate(counts)
        ]


def _totalled(rows: Iterable[Sequence[Any]]) -> Sums:
    found = Sums()
    for bucket, status_class, requests, moved, spent in rows:
        if bucket == NO_BUCKET:
            found.add(status_class, int(requests), int(moved), int(spent))
        else:
            found.buckets[bucket] = int(requests)
    return found


def _named(*columns: Any) -> list[Any]:
    """Each with a name of its own, to be part of a larger question."""
    return [column.label(f"n{i}") for i, column in enumerate(columns)]


def _counted(by: By, only: Only) -> tuple[Table, tuple[str, ...]]:
    """Where requests are counted, and by what. What is asked of some applications is only counted by caller."""
    if by == By.APPLICATION:
        return caller, ("client_id",)
    if by == By.OPERATION:
        return operation, ("version_id", "operation")
    if by == By.NODE:
        return node_hour, ("node_id",)
    if by == By.COUNTRY:
        return country_hour, ("country",)
    return hour if only.client_ids is None else caller, ("version_id" if by == By.API else "status_class",)


def _timed(by: By, only: Only) -> tuple[Table, tuple[str, ...]] | None:
    if by == By.API and only.client_ids is None:
        return latency, ("version_id",)
    if by == By.OPERATION:
        return operation_latency, ("version_id", "operation")
    return (node_latency, ("node_id",)) if by == By.NODE else None


def _key(parts: list[Any]) -> Key:
    return parts[0] if len(parts) == 1 else tuple(parts)


def change(now: float, before: float) -> float | None:
    """As a share of before; None when there was nothing to compare with."""
    return (now - before) / before if before else None


def movers(sums: Mapping[Key, Sums], before: Mapping[Key, Sums], most: int = 5) -> list[tuple[Key, int]]:
    """Whose requests changed most, and by how many."""
    moved = {key: sums.get(key, Sums()).requests - before.get(key, Sums()).requests for key in {*sums, *before}}
    return sorted(((k, n) for k, n in moved.items() if n), key=lambda one: -abs(one[1]))[:most]
