"""Columns and indexes that came after an installation began: added to the tables it has, without copying a row."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Index, Table, inspect, text

from .segments import tables
from .store import metadata


def add_missing(connection: Connection) -> None:
    """Of the tables of records (on PostgreSQL the one that is split) and those of the sums."""
    known = inspect(connection)
    for table in [*tables(connection), *metadata.tables.values()]:
        there = {column["name"] for column in known.get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                connection.execute(text(_addition(connection, table, column)))
        if len(there) < len(table.columns):
            _index(connection, table, {index["name"] for index in known.get_indexes(table.name)})


def _addition(connection: Connection, table: Table, column: Column[object]) -> str:
    kind = column.type.compile(connection.dialect)
    empty = "''" if column.type.python_type is str else "0"
    return f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind} NOT NULL DEFAULT {empty}"


def _index(connection: Connection, table: Table, there: set[str | None]) -> None:
    missing: list[Index] = [index for index in table.indexes if index.name not in there]
    for index in missing:
        index.create(connection)
