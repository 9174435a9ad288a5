"""Sums by the hour, one narrow table for each question, kept in the same transaction as the records.

`hour`: requests and time by version and status class. `latency`: how many requests of a version took how long, in buckets
of an eighth of an octave, so that a percentile is within 4.5 % of the true one. `caller`: requests and bytes by client.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, SmallInteger, String, Table

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
    return int(math.log2(duration_us) * PER_OCTAVE) if duration_us > 0 else 0


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
    """Rows that begin with their time in microseconds since 1970."""
    requests: Counter[tuple[int, int, int]] = Counter()
    spent: Counter[tuple[int, int, int]] = Counter()
    buckets: Counter[tuple[int, int, int]] = Counter()
    calls: Counter[tuple[int, str, int, int]] = Counter()
    moved: Counter[tuple[int, str, int, int]] = Counter()
    for row in rows:
        at, version, status_class, took = row[0] // HOUR_US, row[VERSION], row[STATUS] // 100, row[SPENT]
        key = (at, version, status_class)
        requests[key] += 1
        spent[key] += took
        buckets[at, version, bucket_of(took)] += 1
        if row[CLIENT]:
            who = (at, row[CLIENT], version, status_class)
            calls[who] += 1
            moved[who] += max(0, row[SENT]) + max(0, row[ANSWERED])
    _add(connection, hour, [(*k, n, spent[k]) for k, n in requests.items()])
    _add(connection, latency, [(*k, n) for k, n in buckets.items()])
    _add(connection, caller, [(*k, n, moved[k]) for k, n in calls.items()])


def _add(connection: Connection, table: Table, sums: list[tuple[Any, ...]]) -> None:
    """Add to what is there. In one order everywhere, so that two writers on PostgreSQL never wait for each other in a circle."""
    if not sums:
        return
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    statement = insert(table)
    values = [column for column in table.columns if not column.primary_key]
    statement = statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={column.name: column + statement.excluded[column.name] for column in values},
    )
    names = [str(column.name) for column in table.columns]
    connection.execute(statement, [dict(zip(names, one, strict=True)) for one in sorted(sums)])
