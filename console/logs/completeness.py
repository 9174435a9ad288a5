"""What was received against what a node says it served, by node and minute, so that nobody takes a part for the whole.

A record counts to the minute in which its answer ended: that is when a gateway counts a request, too. What a node
counted just before a minute ended and we just behind it (or the other way round) is evened out between neighbours.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import Column, Connection, Integer, Subquery, Table, and_, delete, func, select

from ..runtime import runtime
from .store import COLUMNS, Store, metadata
from .upserts import add_up, replace

MINUTE_US = 60_000_000
SETTLED_MIN = 2  # after so long a record of that minute has come, or is late
JUDGED_MIN, JUDGED_AGAIN_MIN = 90, 2 * 1440
KEPT_DAYS = 40
MOST_GAPS = 500
MOST_MINUTES = 1440  # in one report of a node
NODE, SPENT = COLUMNS.index("node_id"), COLUMNS.index("duration_us")


def _table(name: str, *sums: str) -> Table:
    minute = (Column(key, Integer, primary_key=True, autoincrement=False) for key in ("node_id", "minute"))
    return Table(name, metadata, *minute, *(Column(s, Integer, nullable=False) for s in sums), sqlite_with_rowid=False)


received = _table("log_received", "records")
served = _table("log_served", "requests")  # as the node says
gap = _table("log_gap", "served", "missing")  # found by `judge`, gone when the records come after all


def note_received(connection: Connection, rows: Iterable[tuple[Any, ...]], others: Iterable[tuple[int, int]]) -> None:
    """Rows that begin with their time in microseconds; ``others``: node and minute of what was counted and not kept."""
    minutes = Counter((row[NODE], (row[0] + row[SPENT]) // MINUTE_US) for row in rows)
    minutes.update(others)
    add_up(connection, received, [(*key, count) for key, count in minutes.items()])


def note_served(store: Store, node_id: int, minutes: Mapping[int, int]) -> None:
    """What a node says it served in each minute since 1970; said again, the last word counts."""
    with store.writing() as connection:
        replace(connection, served, [(node_id, minute, count) for minute, count in sorted(minutes.items())])


@dataclass(frozen=True)
class Gap:
    """A run of minutes of one node: ``until`` is not in it."""

    node_id: int
    since: datetime
    until: datetime
    served: int
    missing: int

    @property
    def share(self) -> float:
        return (self.served - self.missing) / self.served if self.served else 1.0


def gaps(since: datetime, until: datetime, node_ids: frozenset[int] | None = None) -> list[Gap]:
    """Newest first."""
    query = select(gap).where(gap.c.minute >= _minute(since), gap.c.minute <= _minute(until))
    if node_ids is not None:
        query = query.where(gap.c.node_id.in_(node_ids))
    with runtime().logs.reading() as connection:
        rows = connection.execute(query.order_by(gap.c.minute.desc()).limit(MOST_GAPS)).all()
    return sorted(_runs(rows), key=lambda one: one.since, reverse=True)


def served_in(since: datetime, until: datetime, node_ids: frozenset[int] | None = None) -> int:
    """How many requests nodes say they served in these minutes; not in those that are not settled yet."""
    query = select(func.sum(served.c.requests)).where(
        served.c.minute >= _minute(since), served.c.minute <= _minute(until)
    )
    if node_ids is not None:
        query = query.where(served.c.node_id.in_(node_ids))
    with runtime().logs.reading() as connection:
        return int(connection.scalar(query) or 0)


def _runs(rows: Iterable[Any]) -> list[Gap]:
    by_node: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        by_node[row.node_id].append(row)
    found = []
    for node_id, minutes in by_node.items():
        minutes.sort(key=lambda row: row.minute)
        starts = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(minutes)) if b.minute > a.minute + 1), len(minutes)]
        for low, high in pairwise(starts):
            run = minutes[low:high]
            times = _moment(run[0].minute), _moment(run[-1].minute + 1)
            found.append(Gap(node_id, *times, sum(r.served for r in run), sum(r.missing for r in run)))
    return found


def judge(store: Store, moment: datetime) -> None:
    """Find gaps in the minutes that are settled, and look again at those that were found before."""
    until = _minute(moment) - SETTLED_MIN
    with store.writing() as connection:
        again = select(gap.c.minute).where(gap.c.minute > until - JUDGED_AGAIN_MIN)
        first = min([until - JUDGED_MIN, *connection.scalars(again.order_by(gap.c.minute).limit(1))])
        came = _received_since(first)
        asked = and_(served.c.node_id == came.c.node_id, served.c.minute == came.c.minute)
        query = select(served.c.node_id, served.c.minute, served.c.requests, came.c.records)
        query = query.select_from(served.outerjoin(came, asked))
        # one more at the end: its neighbour may have taken some of the last one's
        rows = connection.execute(query.where(served.c.minute >= first, served.c.minute <= until + 1)).all()
        missing = [m for m in missing_of(rows) if m[1] <= until]
        connection.execute(delete(gap).where(gap.c.minute >= first, gap.c.minute <= until))
        replace(connection, gap, missing)
        for table in (received, served, gap):
            connection.execute(delete(table).where(table.c.minute < _minute(moment) - KEPT_DAYS * 1440))


def _received_since(minute: int) -> Subquery:
    """Summed up: ClickHouse has several rows of a minute for a while."""
    records = func.sum(received.c.records).label("records")
    query = select(received.c.node_id, received.c.minute, records).where(received.c.minute >= minute)
    return query.group_by(received.c.node_id, received.c.minute).subquery()


def missing_of(rows: Iterable[Any]) -> list[tuple[int, int, int, int]]:
    """Of (node, minute, served, received or None): where records are missing, after neighbours were evened out."""
    by_node: dict[int, list[list[int]]] = defaultdict(list)
    for node_id, minute, requests, records in rows:
        by_node[node_id].append([minute, requests, requests - (records or 0)])
    found = []
    for node_id, minutes in by_node.items():
        minutes.sort()
        for one, other in pairwise(minutes):
            if other[0] == one[0] + 1 and one[2] * other[2] < 0:
                even = min(abs(one[2]), abs(other[2])) * (1 if one[2] > 0 else -1)
                one[2] -= even
                other[2] += even
        found += [(node_id, minute, requests, left) for minute, requests, left in minutes if left > 0]
    return sorted(found)


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


def _moment(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)
