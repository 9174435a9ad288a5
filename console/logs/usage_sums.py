"""Who calls what, by the day: `usage`, `answer` and `undescribed` of `sums`, from the records of one transaction.

They are not filled from records that were there before them: those hold at most what retention left of them, and late
ones among them would count twice. So who asks is told since when they are kept (`usage.counted_since`).
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import Any

from sqlalchemy import Connection, Table, and_, func, insert, inspect, or_, select

from .shapes import call_shape
from .store import COLUMNS, hour
from .sums import answer, undescribed, usage, usage_begun

MOST_UNDESCRIBED = 200  # kinds of one version and day, a kind being a method, a shape and a status
OTHERS = ("", 0)  # operation and status of what came after so many
Row = tuple[Any, ...]
VERSION, METHOD, PATH, STATUS, REQUEST, OPERATION = (
    COLUMNS.index(name) for name in ("version_id", "method", "path", "status", "request_id", "operation")
)


def by_day(
    rows: list[Row], hours: list[int], versions: list[int], names: list[str], clients: list[str]
) -> list[tuple[Table, list[Row]]]:
    """Of rows in the order of their times, so that the last one of a kind is its latest; without calls of no API."""
    days = [at // 24 for at in hours]
    times, statuses = [row[0] for row in rows], [row[STATUS] for row in rows]
    keys = list(zip(days, versions, names, clients, strict=True))
    last = dict(zip(keys, times, strict=True))
    failed = Counter(key for key, status in zip(keys, statuses, strict=True) if status // 100 == 5)
    answered = Counter(zip(days, versions, names, statuses, strict=True))
    return [
        (usage, [(*key, count, failed[key], last[key]) for key, count in Counter(keys).items() if key[1]]),
        (answer, [(*key, count) for key, count in answered.items() if key[2]]),
        (undescribed, _undescribed(days, rows)),
    ]


def _undescribed(days: list[int], rows: list[Row]) -> list[Row]:
    theirs = [(day, row) for day, row in zip(days, rows, strict=True) if row[VERSION] and not row[OPERATION]]
    keys = [(day, row[VERSION], call_shape(row[METHOD], row[PATH]), row[STATUS]) for day, row in theirs]
    last = dict(zip(keys, theirs, strict=True))
    return [(*key, count, last[key][1][0], last[key][1][REQUEST]) for key, count in Counter(keys).items()]


def _both(one: Row | None, other: Row) -> Row:
    return other if one is None else (one[0] + other[0], max(one[1], other[1]), max(one[2], other[2]))


def bounded(connection: Connection, sums: list[Row]) -> list[Row]:
    """Of `undescribed`: what is new to a day that has `MOST_UNDESCRIBED` kinds already is counted together.

    On PostgreSQL and ClickHouse writers that begin at the same moment may each add as many.
    """
    if not sums:
        return []
    kinds = _kinds(connection, {row[:2] for row in sums})
    kept: dict[Row, Row] = {}
    for row in sorted(sums):
        known, kind = kinds[row[:2]], row[2:4]
        if len(known) < MOST_UNDESCRIBED:
            known.add(kind)
        key = (*row[:2], *(kind if kind in known else OTHERS))
        kept[key] = _both(kept.get(key), row[4:])
    return [(*key, *values) for key, values in kept.items()]


def _kinds(connection: Connection, days: set[Row]) -> dict[Row, set[Row]]:
    """Those that are there, by day and version."""
    t, found = undescribed, defaultdict[Row, set[Row]](set)
    theirs = or_(*(and_(t.c.day == day, t.c.version_id == version) for day, version in sorted(days)))
    query = select(t.c.day, t.c.version_id, t.c.operation, t.c.status).where(theirs).distinct()
    for day, version, *kind in connection.execute(query):
        found[day, version].add(tuple(kind))
    return found


def is_late(connection: Connection) -> bool:
    """Whether there are sums of calls, and none of these yet."""
    known = inspect(connection)
    return not known.has_table(usage.name) and known.has_table(hour.name) and _any_calls(connection)


def _any_calls(connection: Connection) -> bool:
    return bool(connection.scalar(select(func.count()).select_from(select(hour.c.hour).limit(1).subquery())))


def begin(connection: Connection) -> None:
    """Today is the first day that they are kept, and not from its beginning."""
    connection.execute(insert(usage_begun).values(day=int(time.time()) // 86400))
