"""The tables of `store` and `sums` as ClickHouse has them.

All sums are in one table there, because each insert is a part of its own that has to be merged: the tables of `sums` are
views of it, those by the day, too, which need no closing of days.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, SmallInteger, Table, text

from .store import DAY_IDS, batch, record, rejected
from .sums import BY_DAY, CLOSED, HOURLY, closed_day, usage_begun, values

FIRST_DAY = date(2020, 1, 1)
NAMES_KEPT = 100_000  # of inserts, by table: more than can be under way or be sent again soon
REPEATED = {
    "client_id",
    "credential",
    "method",
    "user_agent",
    "reason",
    "operation",
    "country",
    "format",
    "why",
}  # few values each
LOOKED_UP = {"request_id", "trace_id", "jti"}
SUMS = "log_sums"


def type_of(column: Column[Any]) -> str:
    if isinstance(column.type, BigInteger):
        return "Int64"
    if isinstance(column.type, Integer):
        return "Int16" if isinstance(column.type, SmallInteger) else "Int32"
    return "LowCardinality(String)" if column.name in REPEATED else "String"


def _type_of_sum(column: Column[Any]) -> str:
    kind = "Int64" if isinstance(column.type, Integer) else "String"
    return f"SimpleAggregateFunction(max, {kind})" if column.info.get("largest") else kind


KEPT = (*HOURLY, *BY_DAY)
KEYS = {column.name: type_of(column) for table in KEPT for column in table.primary_key.columns if column.name != "day"}
SUMMED = {column.name: _type_of_sum(column) for table in KEPT for column in values(table)}
SUMS_COLUMNS = {"kind": "LowCardinality(String)", **KEYS, **SUMMED}


def prepare(connection: Connection) -> None:
    """Again changes nothing, but for the columns that a newer Gatewright has more."""
    from .usage_sums import begin, is_late

    begins_late = is_late(connection)
    for name, columns, rest in _tables():
        parts = ", ".join([*(f"{column} {kind}" for column, kind in columns.items()), *_indexes(name, columns)])
        connection.execute(text(f"CREATE TABLE IF NOT EXISTS {name} ({parts}) {rest}"))
        _add_missing(connection, name, columns)
    for name, query in _views():
        connection.execute(text(f"CREATE OR REPLACE VIEW {name} AS {query}"))
    if begins_late:
        begin(connection)


def _tables() -> Iterator[tuple[str, dict[str, str], str]]:
    """Name, columns, and what comes behind them."""
    from .archive import trouble
    from .body_tables import body_table
    from .completeness import gap, received, served
    from .dropped import dropped

    once = f"SETTINGS non_replicated_deduplication_window = {NAMES_KEPT}"
    day = f"toDate('{FIRST_DAY}') + intDiv(id, {DAY_IDS})"
    yield record.name, columns_of(record), f"ENGINE MergeTree PARTITION BY {day} ORDER BY id {once}"
    bodies = body_table(record.name)
    yield bodies.name, columns_of(bodies), f"ENGINE MergeTree PARTITION BY {day} ORDER BY id {once}"
    yield rejected.name, columns_of(rejected), f"ENGINE MergeTree ORDER BY id {once}"
    stored = "toDate(toDateTime(stored_at, 'UTC'))"
    yield batch.name, columns_of(batch), f"ENGINE ReplacingMergeTree PARTITION BY {stored} ORDER BY digest"
    yield SUMS, SUMS_COLUMNS, f"ENGINE SummingMergeTree ORDER BY (kind, {', '.join(KEYS)}) {once}"
    minutes = "ORDER BY (node_id, minute)"
    yield received.name, columns_of(received), f"ENGINE SummingMergeTree {minutes} {once}"
    yield served.name, columns_of(served), f"ENGINE ReplacingMergeTree {minutes}"
    yield gap.name, columns_of(gap), f"ENGINE ReplacingMergeTree {minutes}"
    yield dropped.name, columns_of(dropped), "ENGINE SummingMergeTree ORDER BY (why, start_id, version_id)"
    yield trouble.name, columns_of(trouble), "ENGINE MergeTree ORDER BY id"
    yield closed_day.name, columns_of(closed_day), "ENGINE MergeTree ORDER BY day"  # stays empty
    yield usage_begun.name, columns_of(usage_begun), "ENGINE ReplacingMergeTree ORDER BY day"


def columns_of(table: Table) -> dict[str, str]:
    return {column.name: type_of(column) for column in table.columns}


def _indexes(name: str, columns: dict[str, str]) -> Iterator[str]:
    if name == record.name:
        for column in sorted(LOOKED_UP & columns.keys()):
            yield f"INDEX ix_{column} {column} TYPE bloom_filter(0.01) GRANULARITY 1"
        yield "INDEX ix_path path TYPE ngrambf_v1(4, 16384, 3, 0) GRANULARITY 1"


def _views() -> Iterator[tuple[str, str]]:
    for view, kind in [*((table, table) for table in KEPT), *((daily, table) for table, daily in CLOSED)]:
        names = ("intDiv(hour, 24) AS day" if c.name == "day" else c.name for c in view.columns)
        yield view.name, f"SELECT {', '.join(names)} FROM {SUMS} WHERE kind = '{kind.name}'"  # noqa: S608 - names of ours


def _add_missing(connection: Connection, name: str, columns: dict[str, str]) -> None:
    """A sum's new key joins its table's order, behind the others."""
    ours = {"name": name}
    query = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = :name"
    there = set(connection.scalars(text(query), ours))
    missing = [column for column in columns if column not in there]
    changes = [f"ADD COLUMN {column} {columns[column]}" for column in missing]
    if name == SUMS and any(column in KEYS for column in missing):
        query = "SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = :name"
        order = [connection.scalar(text(query), ours), *(column for column in missing if column in KEYS)]
        changes.append(f"MODIFY ORDER BY ({', '.join(map(str, order))})")
    if changes:
        connection.execute(text(f"ALTER TABLE {name} {', '.join(changes)}"))
