"""ClickHouse as the logs database: what it has, and what is done without what it has not.

There are no transactions and no unique keys. But an insert can carry a name, of which a partition takes one: under the
digest of its batch, an insert that is repeated completes what is missing and doubles nothing, wherever the first try ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from operator import itemgetter
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Table, make_url, text
from sqlalchemy.exc import IntegrityError, OperationalError

from .clickhouse_tables import FIRST_DAY, SUMS, SUMS_COLUMNS, columns_of
from .store import DAY_IDS, EPOCH_US, SEQUENCE_BITS, record

DIALECT = "clickhousedb"
TURN = 1 << SEQUENCE_BITS
# in one block, now; newer servers would gather several inserts. A batch that was held back for months has as many days
INSERTING = {"async_insert": 0, "max_insert_threads": 1, "max_partitions_per_insert_block": 0}
OURS = f"active AND database = currentDatabase() AND table = '{record.name}'"
Row = tuple[Any, ...]


def is_it(of: Connection | Engine) -> bool:
    return of.dialect.name == DIALECT


def reached(url: str) -> dict[str, Any]:
    """How it is spoken to, where its address does not say: nobody waits long for one that does not answer, and none of its
    servers keeps a session."""
    said = make_url(url)
    if said.get_backend_name() != DIALECT or "interface" in said.query:  # within the process
        return {}
    usual = {"connect_timeout": 5, "send_receive_timeout": 30, "autogenerate_session_id": False}
    return {name: value for name, value in usual.items() if name not in said.query}


def once(connection: Connection, name: str) -> None:
    """What this connection inserts from here on is inserted once under that name, in each table; "": as often as it says."""
    connection.execution_options(settings={"insert_deduplication_token": name} if name else {})


def insert(connection: Connection, table: Table, rows: list[Row]) -> None:
    _insert(connection, table.name, columns_of(table), rows)


def add_sums(connection: Connection, sums: Iterable[tuple[Table, list[Row]]]) -> None:
    """The server adds them up when it merges; until then every question does."""
    nothing = {name: "" if kind.endswith("String)") else 0 for name, kind in SUMS_COLUMNS.items()}
    wide = []
    for table, rows in sums:
        names, of_table = ["hour", *table.columns.keys()[1:]], nothing | {"kind": table.name}
        of_day = 24 if "day" in table.c else 1
        wide += [
            tuple((of_table | dict(zip(names, (row[0] * of_day, *row[1:]), strict=True))).values()) for row in rows
        ]
    _insert(connection, SUMS, SUMS_COLUMNS, wide)


def _insert(connection: Connection, name: str, columns: dict[str, str], rows: list[Row]) -> None:
    """As one block, past SQLAlchemy, which would write every value into the statement."""
    from clickhouse_connect.driver.exceptions import DataError, Error

    if not rows:
        return
    settings = INSERTING | {"insert_deduplication_token": uuid4().hex}  # without one, equal sums of two batches are one
    settings |= connection.get_execution_options().get("settings", {})
    client: Any = connection.connection.driver_connection.client  # type: ignore[union-attr]
    try:
        client.insert(name, rows, list(columns), column_type_names=list(columns.values()), settings=settings)
    except (DataError, TypeError) as problem:  # a value that a column does not take
        raise IntegrityError(f"INSERT INTO {name}", None, problem) from problem
    except Error as problem:
        raise OperationalError(f"INSERT INTO {name}", None, problem) from problem


def numbered(rows: list[Row], numbers: Iterator[int]) -> list[Row]:
    """Rows that begin with their time, by time, with an id in its place. Nothing notices a number that two writers took.

    So a sender that tells whole milliseconds leaves the digits behind them to the number, which began anywhere.
    """
    made = []
    rows.sort(key=itemgetter(0))  # so that a repeated batch moves the same ones, and none to another day
    for place, row in enumerate(rows):
        at, number = row[0], next(numbers)
        moved = (number >> SEQUENCE_BITS) % 1000 if at % 1000 == 0 else place // TURN
        made.append(((at - EPOCH_US + moved) << SEQUENCE_BITS | number & (TURN - 1), *row[1:]))
    return made


def days(connection: Connection) -> list[tuple[int, str, int]]:
    """The lowest id, the partition and the number of records of each day, oldest first."""
    query = f"SELECT partition, partition_id, sum(rows) FROM system.parts WHERE {OURS} GROUP BY ALL ORDER BY 1"  # noqa: S608
    return [
        ((date.fromisoformat(day) - FIRST_DAY).days * DAY_IDS, name, int(rows))
        for day, name, rows in connection.execute(text(query))
    ]


def drop(connection: Connection, partition: str, rows: int) -> bool:
    """False: it is gone, or holds more by now. Between that look and the end of it is a moment that nothing guards."""
    if rows not in [now for _, name, now in days(connection) if name == partition]:
        return False
    for name in (record.name, f"{record.name}_body"):
        connection.execute(text(f"ALTER TABLE {name} DROP PARTITION ID '{partition}'"))
    return True


def size_bytes(connection: Connection) -> int:
    """Of the records and their bodies."""
    theirs = f"active AND database = currentDatabase() AND table IN ('{record.name}', '{record.name}_body')"
    return int(connection.scalar(text(f"SELECT sum(bytes_on_disk) FROM system.parts WHERE {theirs}")) or 0)  # noqa: S608


def forget_sums(connection: Connection, before_hour: int, kind: str = "") -> None:
    """All of them, or those of one table."""
    only = " AND kind = :kind" if kind else ""
    connection.execute(
        text(f"DELETE FROM {SUMS} WHERE hour < :hour{only}"),  # noqa: S608
        {"hour": before_hour} | ({"kind": kind} if kind else {}),
    )
