"""Which records are over: an API may say for how many days its own are kept, all others go by GATEWRIGHT_LOGS_DAYS.

Days go whole. A day's table is dropped when nothing in it is to be kept; where something is, the rest is deleted a few
thousand rows at a time, so that nobody who writes waits long.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, delete, func, literal, select

from . import body_tables, clickhouse, dropped
from .segments import Segment, catalogue, drop, records_in, table_named, with_ends
from .store import DAY_IDS, LAST_ID, Store, id_at, record, segment

MOST_AT_ONCE, LEAST_AT_ONCE = 5000, 100  # rows deleted in one transaction
AIM_S = 0.05  # so long each may take
LOOK_S = 120.0


@dataclass(frozen=True)
class Retention:
    """For how many days the records of a version are kept: its ``own`` number, else ``days`` (0: for ever)."""

    moment: datetime
    days: int
    own: Mapping[int, int] = field(default_factory=dict)

    def end(self, version_id: int) -> int:
        """The lowest id that is kept: that of a midnight."""
        days = self.own.get(version_id, self.days)
        return id_at(self.moment - timedelta(days=days)) // DAY_IDS * DAY_IDS if days else 0

    @property
    def newest_end(self) -> int:
        return max(self.end(version_id) for version_id in (0, *self.own))

    def why(self, version_id: int) -> str:
        return "api" if version_id in self.own else "days"


@dataclass(frozen=True)
class Due:
    """Of one segment: what is over by version (the lowest id that is kept), and why."""

    one: Segment
    over: dict[int, int]
    why: dict[int, str]
    is_whole: bool


def begun(store: Store, end: int) -> list[tuple[Segment, int]]:
    """Segments that begin before ``end``, oldest first; each with its own end."""
    with store.reading() as connection:
        return [(one, until) for one, until in with_ends(connection) if one.start < end]


def due(store: Store, start: int, until: int, kept: Retention) -> Due | None:
    """What is over in the segment that begins at ``start``, as it is now; None: nothing is."""
    with store.reading(LOOK_S) as connection:
        one = next((one for one in catalogue(connection) if one.start == start), None)
        if one is None:
            return None
        versions = versions_in(connection, one)
    over = {version_id: kept.end(version_id) for version_id in versions if kept.end(version_id) > start}
    is_whole = until <= kept.newest_end and all(kept.end(version_id) >= until for version_id in versions)
    why = {version_id: kept.why(version_id) for version_id in over}
    return Due(one, over, why, is_whole) if over or is_whole else None


def all_of(store: Store, one: Segment, why: str) -> Due:
    with store.reading(LOOK_S) as connection:
        versions = versions_in(connection, one)
    return Due(one, dict.fromkeys(versions, LAST_ID), dict.fromkeys(versions, why), is_whole=True)


def versions_in(connection: Connection, one: Segment) -> list[int]:
    """From one to the next through the index, so however many rows there are."""
    if clickhouse.is_it(connection):  # which reads this column only
        t, within = records_in(connection, one)
        return list(connection.scalars(select(t.c.version_id).where(within).distinct()))
    t = table_named(one.name)
    first = select(func.min(t.c.version_id).label("version_id")).cte("met", recursive=True)
    following = select(func.min(t.c.version_id)).where(t.c.version_id > first.c.version_id).scalar_subquery()
    met = first.union_all(select(following).where(first.c.version_id.is_not(None)))
    return list(connection.scalars(select(met.c.version_id).where(met.c.version_id.is_not(None))))


def drop_whole(store: Store, due: Due, *, archived: bool = False) -> bool:
    """False: records came for it meanwhile, and it is to be looked at again."""
    counts = _counts(store, due.one)
    with store.writing() as connection:
        if not counts.keys() <= due.why.keys() or not drop(connection, due.one):
            return False
        dropped.note(connection, due.one.start, due.why, counts, archived=archived)
    return True


def _counts(store: Store, one: Segment) -> dict[int, int]:
    with store.reading(LOOK_S) as connection:
        t, within = records_in(connection, one)
        rows = connection.execute(select(t.c.version_id, func.count()).where(within).group_by(t.c.version_id))
        return {version_id: int(count) for version_id, count in rows}


class Changed(Exception):
    """Records came for a segment after what was over in it was archived."""


def delete_over(store: Store, due: Due, *, archived: bool = False) -> None:
    """What was ``archived`` goes only as long as no other records come for that segment: they could be among it."""
    expected = due.one.rows if archived else None
    for version_id, end in due.over.items():
        if clickhouse.is_it(store.engine):
            _delete_at_once(store, due, version_id, end, archived)
            continue
        size = LEAST_AT_ONCE * 10
        while True:
            began = time.monotonic()
            count = _delete_some(store, due, version_id, end, size, expected)
            expected = expected - count if expected is not None else None
            if count < size:
                break
            spent = time.monotonic() - began
            size = max(LEAST_AT_ONCE, min(MOST_AT_ONCE, int(size * AIM_S / spent)))
            time.sleep(spent)  # whoever writes has his turn


def _delete_at_once(store: Store, due: Due, version_id: int, end: int, archived: bool) -> None:
    """ClickHouse only marks them, and no writer waits for it."""
    with store.writing() as connection:
        t, within = records_in(connection, due.one)
        theirs = and_(within, t.c.version_id == version_id, t.c.id < end)
        count = connection.scalar(select(func.count()).select_from(t).where(theirs)) or 0
        if count:
            body_tables.forget(connection, record.name, select(t.c.id).where(theirs))
            connection.execute(delete(t).where(theirs))
            dropped.note(connection, due.one.start, due.why, {version_id: count}, archived=archived)


def _delete_some(store: Store, due: Due, version_id: int, end: int, most: int, expected: int | None) -> int:
    """How many. ``expected``: the segment must have so many before, else `Changed`."""
    t = table_named(due.one.name)
    older = t.alias()
    ids = select(older.c.id).where(older.c.version_id == literal(version_id), older.c.id < end).limit(most)
    with _next_to_write(store) as connection:
        body_tables.forget(connection, due.one.name, ids)
        count = connection.execute(delete(t).where(t.c.id.in_(ids))).rowcount
        of_it = segment.update().where(segment.c.start_id == due.one.start)
        of_it = of_it if expected is None else of_it.where(segment.c.rows == expected)
        if not connection.execute(of_it.values(rows=segment.c.rows - count)).rowcount:
            raise Changed
        dropped.note(connection, due.one.start, due.why, {version_id: count}, archived=expected is not None)
    return count


@contextlib.contextmanager
def _next_to_write(store: Store) -> Iterator[Connection]:
    """The turn is passed on as soon as the transaction has begun: its checkpoint holds nobody up."""
    with contextlib.ExitStack() as turn:
        turn.enter_context(store.turn())
        with store.writing() as connection:
            turn.close()
            yield connection
