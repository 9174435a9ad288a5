"""Sums by the hour, one narrow table for each question; and the same by the day, for days that are over.

`hour` (in `store`): requests and time by version and status class. `latency`: how many requests of a version took how
long. `operation` and `operation_latency`: the same of one operation. `caller`: by client.
`node_hour`: by node. `country_hour`: by country, where it is known.

And by the day only, for the questions of an API's life: `usage`, who called which operation; `answer`, how each was
answered; `undescribed`, what was called and is not in the document. An operation is its method and template, or "".
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, SmallInteger, String, Table
from sqlalchemy.types import TypeEngine

from .store import hour, metadata


def _table(name: str, *columns: Column[Any]) -> Table:
    return Table(name, metadata, Column("hour", Integer, primary_key=True), *columns, sqlite_with_rowid=False)


def _number(name: str) -> Column[Any]:
    return Column(name, Integer, primary_key=True, autoincrement=False)


def _small(name: str) -> Column[Any]:
    return Column(name, SmallInteger, primary_key=True, autoincrement=False)


def _name(name: str, length: int) -> Column[Any]:
    return Column(name, String(length), primary_key=True)


def _sum(name: str, kind: type[Integer] = Integer) -> Column[Any]:
    return Column(name, kind, nullable=False)


latency = _table("log_latency", _number("version_id"), _small("bucket"), _sum("requests"))
caller = _table(
    "log_caller", _name("client_id", 40), _number("version_id"), _small("status_class"),
    _sum("requests"), _sum("bytes", BigInteger), _sum("duration_us", BigInteger),
)  # fmt: skip
operation = _table(
    "log_operation", _number("version_id"), _name("operation", 220), _small("status_class"),
    _sum("requests"), _sum("bytes", BigInteger),
)  # fmt: skip
operation_latency = _table(
    "log_operation_latency", _number("version_id"), _name("operation", 220), _small("bucket"), _sum("requests")
)
node_hour = _table(
    "log_node_hour", _number("node_id"), _small("status_class"), _sum("requests"), _sum("bytes", BigInteger)
)
country_hour = _table(
    "log_country",
    _name("country", 2),
    _number("version_id"),
    _small("status_class"),
    _sum("requests"),
    _sum("bytes", BigInteger),
)
node_latency = _table("log_node_latency", _number("node_id"), _small("bucket"), _sum("requests"))

HOURLY = (hour, latency, caller, operation, operation_latency, node_hour, node_latency, country_hour)


def _largest(name: str, kind: TypeEngine[Any]) -> Column[Any]:
    """Of what is added to a row, the largest is kept."""
    return Column(name, kind, nullable=False, info={"largest": True})


def _by_day(name: str, *columns: Column[Any]) -> Table:
    day, version = _number("day"), _number("version_id")
    return Table(name, metadata, day, version, _name("operation", 220), *columns, sqlite_with_rowid=False)


usage = _by_day(
    "log_usage", _name("client_id", 40), _sum("requests", BigInteger), _sum("errors", BigInteger),
    _largest("last_at", BigInteger()),
)  # fmt: skip
answer = _by_day("log_answer", _small("status"), _sum("requests", BigInteger))
# here the operation is a method and what paths of the calls have in common (see `shapes`); a call of it as an example
undescribed = _by_day(
    "log_undescribed", _small("status"), _sum("requests", BigInteger), _largest("last_at", BigInteger()),
    _largest("request_id", String(64)),
)  # fmt: skip
BY_DAY = (usage, answer, undescribed)  # last_at: microseconds since 1970
# the day on which these began, where other sums were kept before
usage_begun = Table("log_usage_begun", metadata, Column("day", Integer, primary_key=True, autoincrement=False))
closed_day = Table("log_day", metadata, Column("day", Integer, primary_key=True, autoincrement=False))  # since 1970


def keys(table: Table) -> list[Column[Any]]:
    """What a sum is about, apart from its time."""
    return [column for column in table.primary_key.columns if column.name not in ("hour", "day")]


def values(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if not column.primary_key]


def _daily(name: str, like: Table, *, without: str = "") -> Table:
    columns = [Column(c.name, c.type, primary_key=True) for c in keys(like) if c.name != without]
    columns += [Column(c.name, BigInteger(), nullable=False) for c in values(like)]
    day = Column("day", Integer, primary_key=True)
    return Table(name, metadata, day, *columns, sqlite_with_rowid=False)


DAILY = {table: _daily(f"log_day_{table.name.removeprefix('log_')}", table) for table in HOURLY}
# many applications call many APIs; without these there are a tenth as many rows, which most questions can do with
client_day = _daily("log_day_client", caller, without="version_id")
CLOSED = [*DAILY.items(), (caller, client_day)]  # from what each of them is summed up


def daily(table: Table, by: Container[str]) -> Table:
    """The sums by the day that tell apart what is in ``by``, and as little else as there is."""
    return client_day if table is caller and "version_id" not in by else DAILY[table]
