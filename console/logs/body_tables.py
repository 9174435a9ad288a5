"""Bodies of calls beside their records: a table for each segment that has any, made when needed and dropped with it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    inspect,
    select,
    text,
)

from . import clickhouse
from .call_bodies import Body
from .segments import holding
from .store import record

Bodies = dict[int, tuple[Body, Body]]  # request and response by the record's id


@lru_cache(maxsize=4096)
def body_table(segment: str) -> Table:
    return Table(
        f"{segment}_body",
        MetaData(),
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
        Column("request_note", String(200), nullable=False),
        Column("request", Text, nullable=False),
        Column("response_note", String(200), nullable=False),
        Column("response", Text, nullable=False),
    )


def keep(connection: Connection, segment: str, bodies: Bodies) -> None:
    """Of records that are in this segment, in their transaction."""
    table = body_table(segment)
    if not inspect(connection).has_table(table.name):
        if connection.dialect.name == "postgresql":  # another writer may be making it, and must not make this one fail
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('log segments'))"))
        table.create(connection, checkfirst=True)
    connection.execute(table.insert(), [_row(number, *pair) for number, pair in bodies.items()])


def forget(connection: Connection, segment: str, ids: Select[tuple[int]]) -> None:
    """Of the records with these ids, which go in the same transaction."""
    table = body_table(segment)
    if inspect(connection).has_table(table.name):
        connection.execute(table.delete().where(table.c.id.in_(ids)))


def keep_all(connection: Connection, bodies: Bodies) -> None:
    """On ClickHouse, where all of them are in one table, whichever their day."""
    rows = [tuple(_row(number, *pair).values()) for number, pair in bodies.items()]
    clickhouse.insert(connection, body_table(record.name), rows)


def _row(number: int, request: Body, response: Body) -> dict[str, Any]:
    said = {"id": number, "request_note": request.note, "request": request.text}
    return said | {"response_note": response.note, "response": response.text}


def bodies_of(connection: Connection, record_id: int) -> tuple[Body, Body]:
    table = _of_record(connection, record_id)
    if table is None or not inspect(connection).has_table(table.name):
        return Body(), Body()
    found = connection.execute(select(table).where(table.c.id == record_id)).first()
    return (Body(*found[1:3]), Body(*found[3:5])) if found else (Body(), Body())


def _of_record(connection: Connection, record_id: int) -> Table | None:
    if clickhouse.is_it(connection):
        return body_table(record.name)
    segment = holding(connection, record_id)
    return body_table(segment.name) if segment else None
