"""Who calls what, by the day: `usage`, `answer` and `undescribed` of `sums`, from the records of one transaction.

They are not filled from records that were there before them: those hold at most what retention left of them, and late
ones among them would count twice. So who asks is told since when they are kept (`usage.Callers.counted_since`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Table, and_, func, insert, inspect, or_, select

from .shapes import call_shape
from .store import COLUMNS, hour
from .sums import answer, undescribed, usage, usage_begun

MOST_UNDESCRIBED = 200  # kinds of one version and day, a kind being a method, a shape and a status
OTHERS = ("", 0)  # operation and status of what came after so many
MOST_REMEMBERED = 5000  # days of versions
DAY_US = 86_400_000_000
Row = tuple[Any, ...]
VERSION, METHOD, PATH, STATUS, REQUEST, OPERATION = (
    COLUMNS.index(name) for name in ("version_id", "method", "path", "status", "request_id", "operation")
)

_known: WeakKeyDictionary[Engine, dict[Row, set[Row]]] = WeakKeyDictionary()


def by_day(
    rows: list[Row], hours: list[int], versions: list[int], names: list[str], clients: list[str], classes: list[int]
) -> list[tuple[Table, list[Row]]]:
    """Of rows in the order of their times, so that the last one of a kind is its latest; without calls of no API."""
    days = [at // 24 for at in hours]
    keys = list(zip(days, versions, names, clients, strict=True))
    last = dict(zip(keys, [row[0] for row in rows], strict=True))
    failed = Counter([key for key, of in zip(keys, classes, strict=True) if of == 5])
    answered = Counter(zip(days, versions, names, [row[STATUS] for row in rows], strict=True))
    return [
        (usage, [(*key, count, failed[key], last[key]) for key, count in Counter(keys).items() if key[1]]),
        (answer, [(*key, count) for key, count in answered.items() if key[2]]),
        (undescribed, _undescribed([row for row in rows if row[VERSION] and not row[OPERATION]])),
    ]


def _undescribed(rows: list[Row]) -> list[Row]:
    keys = [(row[0] // DAY_US, row[VERSION], call_shape(row[METHOD], row[PATH]), row[STATUS]) for row in rows]
    last = dict(zip(keys, rows, strict=True))
    return [(*key, count, last[key][0], last[key][REQUEST]) for key, count in Counter(keys).items()]


def bounded(connection: Connection, sums: list[Row]) -> list[Row]:
    """Of `undescribed`: what is new to a day that has `MOST_UNDESCRIBED` kinds already is counted together.

    On PostgreSQL and ClickHouse writers that begin at the same moment may each add as many.
    """
    if not sums:
        return []
    known = _known.setdefault(connection.engine, {})
    _learn(connection, known, sums)
    kept: dict[Row, Row] = {}
    for *day, operation, status, requests, last_at, request_id in sums:
        kinds, kind = known[tuple(day)], (operation, status)
        if _has_room(kinds):
            kinds.add(kind)
        key = (*day, *(kind if kind in kinds else OTHERS))
        count, at, name = kept.get(key, (0, 0, ""))
        kept[key] = (count + requests, max(at, last_at), max(name, request_id))
    return [(*key, *values) for key, values in kept.items()]


def _learn(connection: Connection, known: dict[Row, set[Row]], sums: list[Row]) -> None:
    """Which kinds are there, of the days that have room and are to get one that nobody knows. None ever goes."""
    if len(known) > MOST_REMEMBERED:
        known.clear()
    asked = {row[:2] for row in sums if row[2:4] not in (kinds := known.get(row[:2], ())) and _has_room(kinds)}
    if not asked:
        return
    t = undescribed
    for day in asked:
        known.setdefault(day, set())
    theirs = or_(*(and_(t.c.day == day, t.c.version_id == version) for day, version in sorted(asked)))
    query = select(t.c.day, t.c.version_id, t.c.operation, t.c.status).where(theirs).distinct()
    for day, version, *kind in connection.execute(query):
        known[day, version].add(tuple(kind))


def _has_room(kinds: Collection[Row]) -> bool:
    return len(kinds) < MOST_UNDESCRIBED


def is_late(connection: Connection) -> bool:
    """Whether there are sums of calls, and none of these yet."""
    known = inspect(connection)
    return not known.has_table(usage.name) and known.has_table(hour.name) and _any_calls(connection)


def _any_calls(connection: Connection) -> bool:
    return bool(connection.scalar(select(func.count()).select_from(select(hour.c.hour).limit(1).subquery())))


def begin(connection: Connection) -> None:
    """Today is the first day that they are kept, and not from its beginning."""
    connection.execute(insert(usage_begun).values(day=int(time.time()) // 86400))
