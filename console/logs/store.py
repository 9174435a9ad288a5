"""Where request records live: a database of their own, time-ordered 63-bit ids, a table a day (see `segments`).

``id = microseconds since 2020 << 12 | sequence``: a time range is a key range, newest first is the key backwards, and
every index ends in time for free. Beside them a small table of hourly sums, kept in the same transaction.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    create_engine,
    event,
    select,
    text,
)
from sqlalchemy.exc import NoSuchModuleError

from ..db import NAMES, limited, prepare_engine
from ..errors import Refused

EPOCH_US = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp() * 1_000_000)
SEQUENCE_BITS = 12
DAY_IDS = 86_400_000_000 << SEQUENCE_BITS
LAST_ID = 2**63 - 1
QUERY_S = 5.0

metadata = MetaData(naming_convention=NAMES)


def record_table(name: str, into: MetaData) -> Table:
    """A table of records: on SQLite one of many, on PostgreSQL the one that is split into a partition a day."""
    return Table(
        name,
        into,
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
        Column("node_id", Integer, nullable=False),
        Column("version_id", Integer, nullable=False),  # 0: no API has that path
        Column("client_id", String(40), nullable=False),
        Column("credential", String(10), nullable=False),
        Column("jti", String(64), nullable=False),
        Column("method", String(12), nullable=False),
        Column("path", String(500), nullable=False),
        Column("status", SmallInteger, nullable=False),
        Column("duration_us", Integer, nullable=False),
        Column("backend_us", Integer, nullable=False),  # -1: the backend was not asked
        Column("request_bytes", BigInteger, nullable=False),
        Column("response_bytes", BigInteger, nullable=False),
        Column("request_id", String(64), nullable=False),
        Column("client_address", String(45), nullable=False),
        Column("user_agent", String(200), nullable=False),
        Column("reason", String(200), nullable=False),
        Column("trace_id", String(32), nullable=False),  # W3C Trace Context
        Column("operation", String(200), nullable=False),  # the path's template in the API's document
        Column("country", String(2), nullable=False),  # of the caller's network, ISO 3166-1
        Index(f"ix_{name}_version_id", "version_id"),
        Index(f"ix_{name}_client_id", "client_id"),
        Index(f"ix_{name}_request_id", "request_id"),
        Index(f"ix_{name}_failed", "version_id", sqlite_where=FAILED, postgresql_where=FAILED),
        Index(f"ix_{name}_trace_id", "trace_id", sqlite_where=TRACED, postgresql_where=TRACED),
        postgresql_partition_by="RANGE (id)",
    )


FIRST = "log_record"  # SQLite: of installations from before there was a table a day. PostgreSQL: what is split
FAILED = text("status >= 400")
TRACED = text("trace_id <> ''")
record = record_table(FIRST, MetaData(naming_convention=NAMES))
batch = Table(
    "log_batch",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("stored_at", BigInteger, nullable=False),
    Column("records", Integer, nullable=False),
)
hour = Table(
    "log_hour",
    metadata,
    Column("hour", Integer, primary_key=True),  # hours since 1970
    Column("version_id", Integer, primary_key=True),
    Column("status_class", SmallInteger, primary_key=True),  # 2 for 2xx
    Column("requests", Integer, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
)
segment = Table(
    "log_segment",
    metadata,
    Column("start_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("name", String(40), nullable=False),
    Column("rows", BigInteger, nullable=False),
)
rejected = Table(
    "log_rejected",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("node_id", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),  # microseconds since 1970, when it came
    Column("format", String(10), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("text", Text, nullable=False),  # without its secrets, and cut
    Index(None, "at"),
)
COLUMNS = [str(column.name) for column in record.columns]  # plain ones: orjson takes no other keys


def id_at(moment: datetime) -> int:
    """The lowest id a record of that moment can have."""
    return min(max(0, int(moment.timestamp() * 1_000_000) - EPOCH_US) << SEQUENCE_BITS, LAST_ID)


def moment_of(record_id: int) -> datetime:
    return datetime.fromtimestamp(((record_id >> SEQUENCE_BITS) + EPOCH_US) / 1_000_000, UTC)


class Store:
    """One logs database. Its tables are made here, because later ones (a table a day) are made while running."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _engine(url)
        prepare_engine(self.engine)
        self.writer_engine = self._writer_engine() if self.is_sqlite else self.engine

    def _writer_engine(self) -> Engine:
        """For the one thread of a process that writes: what it needs would be too much memory for every reader."""
        engine = create_engine(self.url, pool_size=1, max_overflow=0, hide_parameters=True)
        prepare_engine(engine)
        event.listen(engine, "connect", _roomy)
        return engine

    def dispose(self) -> None:
        """Close every connection: none may cross a fork."""
        self.engine.dispose()
        self.writer_engine.dispose()

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection that may write; what it wrote is kept when the block ends without an error."""
        with self.writer_engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Writers of several processes queue for SQLite's one lock: its own waiting starves them, and keeps the
        write-ahead log from being reset."""
        if not self.is_sqlite:
            yield
            return
        with open(f"{self.engine.url.database}.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """For what one process does at a time: whether nobody else is at it. Who dies lets go."""
        name = self.engine.dialect.name
        locks = {"sqlite": self._alone_on_sqlite, "postgresql": self._alone_on_postgresql}
        # ClickHouse has no locks; whoever comes there second finds nothing left to do
        with locks[name]() if name in locks else contextlib.nullcontext(True) as is_alone:
            yield is_alone

    @contextlib.contextmanager
    def _alone_on_sqlite(self) -> Iterator[bool]:
        with open(f"{self.engine.url.database}.upkeep", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                is_alone = False
            else:
                is_alone = True
            yield is_alone

    @contextlib.contextmanager
    def _alone_on_postgresql(self) -> Iterator[bool]:
        key = "hashtext('log upkeep')"
        # a transaction that is open for so long would keep dead rows from being cleaned up
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            is_alone = bool(connection.scalar(text(f"SELECT pg_try_advisory_lock({key})")))
            try:
                yield is_alone
            finally:
                if is_alone:
                    connection.execute(text(f"SELECT pg_advisory_unlock({key})"))

    def prepare(self) -> None:
        from . import clickhouse, clickhouse_tables, usage_sums
        from .columns import add_missing
        from .segments import tables, take_over

        with self.writing() as connection:
            if clickhouse.is_it(connection):
                clickhouse_tables.prepare(connection)
                return
            is_late = usage_sums.is_late(connection)
            metadata.create_all(connection)
            if is_late:
                usage_sums.begin(connection)
            take_over(connection)
            add_missing(connection, [*tables(connection), *metadata.tables.values()])

    def ready(self) -> None:
        with self.engine.connect() as connection:
            connection.execute(select(batch.c.digest).limit(1))

    @contextlib.contextmanager
    def reading(self, seconds: float = QUERY_S) -> Iterator[Connection]:
        """A connection whose queries end after ``seconds`` (`Refused` says to narrow the question)."""
        shared = _shared.get()
        if shared is not None and shared[0] is self:
            yield shared[1]
            return
        with self.engine.connect() as connection, limited(connection, seconds, "Choose a shorter time or one API."):
            yield connection

    @contextlib.contextmanager
    def at_one_moment(self, seconds: float = QUERY_S) -> Iterator[Connection]:
        """All that this thread reads within it is read on one connection, and as of one moment; all together may take
        ``seconds``."""
        with self.reading(seconds) as connection:
            before = _shared.set((self, connection.execution_options(known={})))
            try:
                yield connection
            finally:
                _shared.reset(before)


_shared: ContextVar[tuple[Store, Connection] | None] = ContextVar("shared", default=None)


def _engine(url: str) -> Engine:
    from .clickhouse import reached

    try:
        return create_engine(
            url,
            pool_size=10,
            max_overflow=10,
            hide_parameters=True,  # the values are other people's
            pool_pre_ping=url.startswith("postgresql"),
            execution_options={"writes": False},
            connect_args=reached(url),
        )
    except NoSuchModuleError:
        raise Refused(
            "GATEWRIGHT_LOGS_URL names a database whose driver is not installed; for ClickHouse: pip install "
            "'gatewright[clickhouse]'."
        ) from None


def _roomy(connection: Any, _record: Any) -> None:
    """The pages that a group of batches touches fit, so none is written twice; and fewer, larger checkpoints."""
    connection.execute("PRAGMA cache_size = -32768")  # KiB; 2 MB by default
    connection.execute("PRAGMA wal_autocheckpoint = 16000")  # pages: 64 MB; 4 MB by default
    connection.execute("PRAGMA journal_size_limit = 67108864")  # a long reader makes it grow; it shrinks again
    # some builds overwrite what is dropped, which takes six times as long
    connection.execute("PRAGMA secure_delete = FAST")
