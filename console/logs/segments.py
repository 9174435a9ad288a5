"""A table a day, none much larger than a million rows; each holds an unbroken range of ids, and no two overlap.

Small tables keep their indexes in the cache, so a row costs the same to write however many there are; and a day goes by
dropping its table. On PostgreSQL the same ranges are partitions of one table, which the server looks through by itself.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, takewhile
from typing import Any

from sqlalchemy import ColumnElement, Connection, Index, MetaData, Table, and_, func, inspect, select, text, true
from sqlalchemy.schema import CreateTable

from ..db import now
from . import clickhouse
from .columns import add_columns
from .store import DAY_IDS, FIRST, LAST_ID, id_at, moment_of, record, record_table, segment
from .together import once

MOST_ROWS = 1_000_000
MOST_AT_ONCE = 4  # days that one statement asks
BEFORE = "log_record_before"  # PostgreSQL: what was one table before there were partitions
OLDER = frozenset({FIRST, BEFORE})
Row = tuple[Any, ...]


@dataclass
class Segment:
    start: int  # the lowest id it may hold
    name: str
    rows: int

    def covers_day_of(self, record_id: int) -> bool:
        return self.name in OLDER or self.start // DAY_IDS == record_id // DAY_IDS

    @property
    def day_end(self) -> int:
        return LAST_ID if self.name in OLDER else (self.start // DAY_IDS + 1) * DAY_IDS


@lru_cache(maxsize=4096)
def table_named(name: str) -> Table:
    return record if name == FIRST else record_table(name, MetaData())


def catalogue(connection: Connection) -> list[Segment]:
    """Oldest first; whoever changes the list leaves that of others alone."""
    return list(once(connection, "segments", lambda: _catalogue(connection)))


def _catalogue(connection: Connection) -> list[Segment]:
    if clickhouse.is_it(connection):
        return [Segment(*one) for one in clickhouse.days(connection)]
    return [Segment(*row) for row in connection.execute(select(segment).order_by(segment.c.start_id))]


def tables(connection: Connection, low: int = 0, high: int = LAST_ID) -> list[Table]:
    """Those that may hold an id from ``low`` up to, not including, ``high``; newest first."""
    if connection.dialect.name != "sqlite":
        return [record]
    return [table_named(one.name) for one, end in reversed(with_ends(connection)) if one.start < high and end > low]


def windows(connection: Connection, low: int, high: int) -> list[tuple[Table, int, int]]:
    """A table and the ids in it that are from ``low`` up to, not including, ``high``: newest first, a day or less each."""
    return windows_for(connection, low, high, 0)[0]


def windows_for(connection: Connection, low: int, high: int, most: int) -> tuple[list[tuple[Table, int, int]], int]:
    """And how many of the first ones to ask at once for so many records: a day that has just begun holds too few."""
    between = [(one, end) for one, end in reversed(with_ends(connection)) if one.start < high and end > low]
    is_apart = connection.dialect.name == "sqlite"
    found = [
        (table_named(one.name) if is_apart else record, max(low, one.start), min(high, end)) for one, end in between
    ]
    if clickhouse.is_it(connection):
        return _joined(found), 1
    sums = accumulate(one.rows for one, _ in between)
    return found, min(1 + sum(1 for _ in takewhile(lambda records: records < most, sums)), MOST_AT_ONCE)


def _joined(days: list[tuple[Table, int, int]]) -> list[tuple[Table, int, int]]:
    """One day, two, four: ClickHouse looks through many as quickly as through one."""
    found, size = [], 1
    while days:
        some, days = days[:size], days[size:]
        found.append((some[0][0], some[-1][1], some[0][2]))
        size *= 2
    return found


def place(connection: Connection, rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Which table takes which of ``rows`` (sorted by id, which comes first in each); tables are made as they are needed."""
    known, ids = catalogue(connection), [row[0] for row in rows]
    at = 0
    while at < len(rows):
        number = _covering(connection, known, ids[at])
        following = known[number + 1].start if number + 1 < len(known) else LAST_ID
        until = bisect_left(ids, min(known[number].day_end, following), at)
        yield known[number].name, rows[at:until]
        known[number].rows += until - at
        connection.execute(
            segment.update().where(segment.c.start_id == known[number].start).values(rows=segment.c.rows + until - at)
        )
        at = until


def _covering(connection: Connection, known: list[Segment], record_id: int) -> int:
    """The place in ``known`` of the segment that takes this id."""
    number = bisect_right([one.start for one in known], record_id) - 1
    if number < 0 or not known[number].covers_day_of(record_id):
        return _add(connection, known, record_id // DAY_IDS * DAY_IDS)
    one = known[number]
    if one.rows >= MOST_ROWS and connection.dialect.name == "sqlite":
        # the next table begins behind the last row of this one; what comes late still finds its place
        last = connection.scalar(select(func.max(table_named(one.name).c.id))) or one.start
        if last < record_id:
            return _add(connection, known, last + 1)
    return number


def _add(connection: Connection, known: list[Segment], start: int) -> int:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('log segments'))"))
        known[:] = catalogue(connection)  # another writer may have made it while this one waited
    starts = [one.start for one in known]
    if start not in starts:
        day = f"log_d{moment_of(start):%Y%m%d}"
        taken = {one.name for one in known}
        name = next(n for n in (day, *(f"{day}_{i}" for i in range(2, 10_000))) if n not in taken)
        following = next((s for s in starts if s > start), LAST_ID)
        _create(connection, name, start, min((start // DAY_IDS + 1) * DAY_IDS, following))
        connection.execute(segment.insert().values(start_id=start, name=name, rows=0))
        known.insert(bisect_left(starts, start), Segment(start, name, 0))
    return [one.start for one in known].index(start)


def _create(connection: Connection, name: str, start: int, end: int) -> None:
    if connection.dialect.name == "sqlite":
        table = table_named(name)
        connection.execute(CreateTable(table))
        # of two indexes that fit as well SQLite takes the one that was made last; that is to be the smaller one
        for index in sorted(table.indexes, key=_holds_some):
            index.create(connection)
        return
    # attached, not made as a partition: that would wait for every reader, and every reader for that
    connection.execute(text(f"CREATE TABLE {name} (LIKE {FIRST} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"))
    connection.execute(text(f"ALTER TABLE {FIRST} ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})"))


def _holds_some(index: Index) -> bool:
    return index.dialect_options["sqlite"]["where"] is not None


def holding(connection: Connection, record_id: int) -> Segment | None:
    """The one that a record with this id is in, if it is there."""
    return next((one for one, end in with_ends(connection) if one.start <= record_id < end), None)


def with_ends(connection: Connection) -> list[tuple[Segment, int]]:
    """Oldest first, each with the lowest id that it does not hold."""
    known = catalogue(connection)
    following = [*(one.start for one in known[1:]), LAST_ID]
    return [(one, min(one.day_end, end)) for one, end in zip(known, following, strict=False)]


def drop(connection: Connection, one: Segment) -> bool:
    """False: another process dropped it a moment ago, or records came for it since ``one`` was read."""
    if clickhouse.is_it(connection):
        return clickhouse.drop(connection, one.name, one.rows)
    as_read = segment.delete().where(segment.c.start_id == one.start, segment.c.rows == one.rows)
    if connection.execute(as_read).rowcount == 0:
        return False
    connection.execute(text(f"DROP TABLE {one.name}"))
    connection.execute(text(f"DROP TABLE IF EXISTS {one.name}_body"))
    return True


def records_in(connection: Connection, one: Segment) -> tuple[Table, ColumnElement[bool]]:
    """The table that they are in, and which of that they are."""
    if clickhouse.is_it(connection):
        return record, and_(record.c.id >= one.start, record.c.id < one.day_end)
    return table_named(one.name), true()


def oldest(connection: Connection) -> tuple[Segment, int] | None:
    """The one that goes first; never the one that is written to now, also when a gateway's clock has begun the next day."""
    return next(((one, end) for one, end in with_ends(connection) if end <= id_at(now())), None)


def size_bytes(connection: Connection) -> int:
    """What records take on disk."""
    if clickhouse.is_it(connection):
        return clickhouse.size_bytes(connection)
    if connection.dialect.name == "sqlite":
        pages, free, size = (
            connection.scalar(text(f"PRAGMA {n}")) for n in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)
    query = text(
        "SELECT sum(pg_total_relation_size(inhrelid) + coalesce(pg_total_relation_size(to_regclass(inhrelid::regclass || '_body')), 0))"
        " FROM pg_inherits WHERE inhparent = :t ::regclass"
    )
    return int(connection.scalar(query, {"t": FIRST}) or 0)


def take_over(connection: Connection) -> None:
    """Make the catalogue of an installation that kept all its records in one table: nothing is copied."""
    if connection.dialect.name == "postgresql":
        _take_over_postgresql(connection)
    elif inspect(connection).has_table(FIRST) and not catalogue(connection):
        end = _note_first(connection, FIRST)
        if end:
            _add(connection, catalogue(connection), end)


def _note_first(connection: Connection, name: str) -> int:
    """The old table as the first segment; where the next one begins. 0: it was empty, and is gone."""
    last = connection.scalar(text(f"SELECT max(id) FROM {name}"))  # noqa: S608 - a name of ours
    if last is None:
        connection.execute(text(f"DROP TABLE {name}"))
        return 0
    count = connection.scalar(text(f"SELECT count(*) FROM {name}"))  # noqa: S608
    connection.execute(segment.insert().values(start_id=0, name=name, rows=count))
    return int(last) + 1


def _take_over_postgresql(connection: Connection) -> None:
    kind = connection.scalar(text("SELECT relkind::text FROM pg_class WHERE oid = to_regclass(:t)"), {"t": FIRST})
    if kind == "p":
        return
    if kind is not None:
        _rename_first(connection)
    record.create(connection)
    end = _note_first(connection, BEFORE) if kind is not None else 0
    if end:
        connection.execute(text(f"ALTER TABLE {FIRST} ATTACH PARTITION {BEFORE} FOR VALUES FROM (0) TO ({end})"))
        _add(connection, catalogue(connection), end)


def _rename_first(connection: Connection) -> None:
    """Index names are the schema's, and the new table wants them."""
    names = connection.scalars(text("SELECT indexname FROM pg_indexes WHERE tablename = :t"), {"t": FIRST}).all()
    for name in names:
        connection.execute(text(f"ALTER INDEX {name} RENAME TO {name}_before"))
    connection.execute(text(f"ALTER TABLE {FIRST} RENAME TO {BEFORE}"))
    add_columns(connection, BEFORE, record)  # a partition has them all
