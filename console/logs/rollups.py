"""The sums of `sums`, kept in the same transaction as the records: they are what the records say at any moment.

Durations are counted in buckets of an eighth of an octave, so that a percentile is within 4.5 % of the true one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from itertools import repeat
from math import log2
from typing import Any

from sqlalchemy import Connection, Table

from . import clickhouse
from .days import open_again
from .store import COLUMNS, hour
from .sums import caller, country_hour, latency, node_hour, node_latency, operation, operation_latency, undescribed
from .upserts import add_up
from .usage_sums import bounded, by_day

PER_OCTAVE = 8
HOUR_US = 3_600_000_000
Row = tuple[Any, ...]

STATUS, VERSION, NODE, SPENT, CLIENT, SENT, ANSWERED, METHOD, OPERATION, COUNTRY = (
    COLUMNS.index(name)
    for name in (
        "status", "version_id", "node_id", "duration_us", "client_id", "request_bytes", "response_bytes", "method", "operation", "country",
    )
)  # fmt: skip


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
    """Rows that begin with their time in microseconds since 1970, and come in its order."""
    summed_up = [(table, bounded(connection, sums) if table is undescribed else sums) for table, sums in summed(rows)]
    if clickhouse.is_it(connection):
        clickhouse.add_sums(connection, summed_up)
        return
    for table, sums in summed_up:
        add_up(connection, table, sums)
    open_again(connection, {row[0] // HOUR_US // 24 for row in rows}, int(time.time()) // 86400)


def summed(rows: list[Row]) -> list[tuple[Table, list[Row]]]:
    """Column by column: this is done for every record."""
    hours = [row[0] // HOUR_US for row in rows]
    versions = [row[VERSION] for row in rows]
    classes = [row[STATUS] // 100 for row in rows]
    times = [row[SPENT] for row in rows]
    buckets = list(map(bucket_of, times))
    moved = [row[SENT] + row[ANSWERED] for row in rows]
    nodes, clients = [row[NODE] for row in rows], [row[CLIENT] for row in rows]
    # only what a document describes has a name here: the paths that anybody tries would have no end
    names = [f"{row[METHOD]} {row[OPERATION]}" if row[OPERATION] else "" for row in rows]
    found = [
        _count(hour, zip(hours, versions, classes, strict=True), times),
        _count(latency, zip(hours, versions, buckets, strict=True)),
        _count(caller, zip(hours, clients, versions, classes, strict=True), moved, times),
        _count(operation, zip(hours, versions, names, classes, strict=True), moved),
        _count(operation_latency, zip(hours, versions, names, buckets, strict=True)),
        _count(node_hour, zip(hours, nodes, classes, strict=True), moved),
        _count(node_latency, zip(hours, nodes, buckets, strict=True)),
    ]
    if any(countries := [row[COUNTRY] for row in rows]):
        found.append(_count(country_hour, zip(hours, countries, versions, classes, strict=True), moved))
    return found + by_day(rows, hours, versions, names, clients, classes)


def _count(table: Table, keys: Any, *summed: list[int]) -> tuple[Table, list[Row]]:
    """How many there are of each key, and the sums of ``summed``; without the callers and operations that have no name."""
    every = list(keys)
    counts = Counter(every)
    sums = [_summed(counts, every, one) for one in summed]
    named = table not in (caller, operation, operation_latency, country_hour)
    place = 1 if table in (caller, country_hour) else 2
    return table, [(*k, n, *(one[k] for one in sums)) for k, n in counts.items() if named or k[place]]


def _summed(counts: Counter[Any], keys: list[Any], numbers: list[int]) -> dict[Any, int]:
    sums = dict(zip(counts, repeat(0), strict=False))
    for key, number in zip(keys, numbers, strict=True):
        sums[key] += number
    return sums
