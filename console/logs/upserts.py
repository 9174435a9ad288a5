"""Rows that are added to what is there, or take its place: the same on every database.

In one order everywhere, so that two writers on PostgreSQL never wait for each other in a circle.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from . import clickhouse

Row = tuple[Any, ...]


def add_up(connection: Connection, table: Table, rows: list[Row]) -> None:
    """By primary key; every other column is summed, or keeps the larger value where it says so."""
    _upsert(connection, table, rows, adds=True)


def replace(connection: Connection, table: Table, rows: list[Row]) -> None:
    _upsert(connection, table, rows, adds=False)


def _upsert(connection: Connection, table: Table, rows: list[Row], *, adds: bool) -> None:
    if not rows:
        return
    rows.sort()
    if clickhouse.is_it(connection):
        if not adds:
            _make_way(connection, table, rows)
        clickhouse.insert(connection, table, rows)
        return
    if connection.dialect.name == "sqlite":  # past SQLAlchemy, which would take longer over each row than the database
        connection.exec_driver_sql(_of_sqlite(table, adds), rows)
        return
    statement = insert(table)
    statement = statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={
            column.name: _added(column, statement.excluded[column.name]) if adds else statement.excluded[column.name]
            for column in _values(table)
        },
    )
    names = [str(column.name) for column in table.columns]
    connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])


def _make_way(connection: Connection, table: Table, rows: list[Row]) -> None:
    """ClickHouse would show both for a while. To delete takes it longer than to look."""
    key = list(table.primary_key.columns)
    same = tuple_(*key).in_([row[: len(key)] for row in rows])
    if connection.scalar(select(key[0]).where(same).limit(1)) is not None:
        connection.execute(delete(table).where(same))


def _added(column: Column[Any], more: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.greatest(column, more) if column.info.get("largest") else column + more


def _values(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if not column.primary_key]


@cache
def _of_sqlite(table: Table, adds: bool) -> str:
    names = ", ".join(table.columns.keys())
    marks = ", ".join("?" * len(table.columns))
    key = ", ".join(table.primary_key.columns.keys())
    changed = ", ".join(f"{c.name} = {_of_both(c) if adds else f'excluded.{c.name}'}" for c in _values(table))
    return f"INSERT INTO {table.name} ({names}) VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {changed}"  # noqa: S608


def _of_both(column: Column[Any]) -> str:
    name = column.name
    return f"max({name}, excluded.{name})" if column.info.get("largest") else f"{name} + excluded.{name}"
