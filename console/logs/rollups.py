"""Sums by the hour, one narrow table for each question, kept in the same transaction as the records.

`hour`: requests and time by version and status class. `latency`: how many requests of a version took how long, in buckets
of an eighth of an octave, so that a percentile is within 4.5 % of the true one. `caller`: requests and bytes by client.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from math import log2
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, SmallInteger, String, Table
from sqlalchemy.dialects.postgresql import insert

from .store import COLUMNS, hour, metadata

PER_OCTAVE = 8
HOUR_US = 3_600_000_000
Row = tuple[Any, ...]

latency = Table(
    "log_latency",
    metadata,
    Column("hour", Integer, primary_key=True),
    Column("version_id", Integer, primary_key=True),
    Column("bucket", SmallInteger, primary_key=True),
    Column("requests", Integer, nullable=False),
)
caller = Table(
    "log_caller",
    metadata,
    Column("hour", Integer, primary_key=True),
    Column("client_id", String(40), primary_key=True),
    Column("version_id", Integer, primary_key=True),
    Column("status_class", SmallInteger, primary_key=True),
    Column("requests", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
STATUS, VERSION, SPENT, CLIENT, SENT, ANSWERED = (
    COLUMNS.index(name)
    for name in ("status", "version_id", "duration_us", "client_id", "request_bytes", "response_bytes")
)


def bucket_of(duration_us: int) -> int:
    return int(log2(duration_us) * PER_OCTAVE) if duration_us > 0 else 0


def middle_of(bucket: int) -> float:
    """Microseconds: the geometric middle of a bucket."""
    return float(2 ** ((bucket + 0.5) / PER_OCTAVE))


def percentile(counts: Mapping[int, int], share: float) -> float:
    """Microseconds that ``share`` of the requests took at most; 0 without any. ``counts`` by bucket."""
    wanted, seen = share * sum(counts.values()), 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= wanted:
            return middle_of(bucket)
    return 0.0


def add(connection: Connection, rows: list[Row]) -> None:
    """Rows that begin with their time in microseconds since 1970. Column by column: this is done for every record."""
    hours = [row[0] // HOUR_US for row in rows]
    versions = [row[VERSION] for row in rows]
    classes = [row[STATUS] // 100 for row in rows]
    times = [row[SPENT] for row in rows]
    clients = [row[CLIENT] for row in rows]
    keys = list(zip(hours, versions, classes, strict=True))
    calls = list(zip(hours, clients, versions, classes, strict=True))
    spent = _summed(keys, times)
    moved = _summed(calls, [row[SENT] + row[ANSWERED] for row in rows])
    timed = Counter(zip(hours, versions, map(bucket_of, times), strict=True))
    _add(connection, hour, [(*k, n, spent[k]) for k, n in Counter(keys).items()])
    _add(connection, latency, [(*k, n) for k, n in timed.items()])
    _add(connection, caller, [(*k, n, max(0, moved[k])) for k, n in Counter(calls).items() if k[1]])


def _summed(keys: list[Any], values: list[int]) -> dict[Any, int]:
    sums = dict.fromkeys(keys, 0)
    for key, value in zip(keys, values, strict=True):
        sums[key] += value
    return sums


def _add(connection: Connection, table: Table, sums: list[tuple[Any, ...]]) -> None:
    """Add to what is there. In one order everywhere, so that two writers on PostgreSQL never wait for each other in a circle."""
    if not sums:
        return
    sums.sort()
    if connection.dialect.name == "sqlite":  # past SQLAlchemy, which would take longer over each row than the database
        connection.exec_driver_sql(_sqlite_upsert(table), sums)
        return
    statement = insert(table)
    statement = statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={column.name: column + statement.excluded[column.name] for column in _values(table)},
    )
    names = [str(column.name) for column in table.columns]
    connection.execute(statement, [dict(zip(names, one, strict=True)) for one in sums])


def _values(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if not column.primary_key]


@cache
def _sqlite_upsert(table: Table) -> str:
    names = ", ".join(table.columns.keys())
    marks = ", ".join("?" * len(table.columns))
    key = ", ".join(table.primary_key.columns.keys())
    added = ", ".join(f"{c.name} = {c.name} + excluded.{c.name}" for c in _values(table))
    return f"INSERT INTO {table.name} ({names}) VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {added}"  # noqa: S608
