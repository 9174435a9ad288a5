"""Columns and indexes that came after an installation began: added to the tables it has, without copying a row."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Column, Connection, Index, Table, inspect, text


def add_missing(connection: Connection, tables: Iterable[Table]) -> None:
    known = inspect(connection)
    for table in tables:
        if add_columns(connection, table.name, table):
            _index(connection, table, {index["name"] for index in known.get_indexes(table.name)})


def add_columns(connection: Connection, name: str, like: Table) -> bool:
    """To the table of that name, those of ``like`` that it lacks; whether there were any."""
    there = {column["name"] for column in inspect(connection).get_columns(name)}
    missing = [column for column in like.columns if column.name not in there]
    for column in missing:
        connection.execute(text(_addition(connection, name, column)))
    return bool(missing)


def _addition(connection: Connection, name: str, column: Column[object]) -> str:
    kind = column.type.compile(connection.dialect)
    empty = "''" if column.type.python_type is str else "0"
    return f"ALTER TABLE {name} ADD COLUMN {column.name} {kind} NOT NULL DEFAULT {empty}"


def _index(connection: Connection, table: Table, there: set[str | None]) -> None:
    missing: list[Index] = [index for index in table.indexes if index.name not in there]
    for index in missing:
        index.create(connection)
