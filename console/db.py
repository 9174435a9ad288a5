"""The database: base class, time, and *return to keep, raise to undo*.

A request that changes something opens its transaction with the right to write (SQLite: ``BEGIN IMMEDIATE``), so two
changes at once queue instead of failing half way. Nothing outside this file commits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import JSON, Connection, DateTime, Dialect, Engine, MetaData, TypeDecorator, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.orm import DeclarativeBase, registry

from .errors import Refused

NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# what is raised when a database is away, full, locked or broken: nobody's fault who asks it, and it may be well again soon
AWAY = (OperationalError, InterfaceError, NoConnection)
_writing: ContextVar[bool] = ContextVar("writing", default=False)


class UtcDateTime(TypeDecorator[datetime]):
    """Always aware and in UTC, on SQLite too, which forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    registry = registry(
        metadata=MetaData(naming_convention=NAMES),
        type_annotation_map={datetime: UtcDateTime, dict[str, Any]: JSON, list[str]: JSON},
    )


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})

if TYPE_CHECKING:

    class Model(Base):
        __abstract__ = True

        def __init__(self, **values: Any) -> None: ...
else:
    Model = db.Model


def now() -> datetime:
    return datetime.now(UTC)


def prepare_engine(engine: Engine) -> None:
    """Give an engine this project's transaction habits; idempotent by engine."""
    if engine.dialect.name != "sqlite":
        return
    event.listen(engine, "connect", _sqlite_connect)
    event.listen(engine, "begin", _sqlite_begin)


def _sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _sqlite_begin
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 15000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _sqlite_begin(connection: Any) -> None:
    # A read that later writes would fail with SQLITE_BUSY when another writer came between; so writers say it first.
    # The option `writes` decides for one connection, whatever the request does beside it.
    writes = connection.get_execution_options().get("writes", _writing.get())
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def will_write() -> None:
    """The rest of this context changes something."""
    _writing.set(True)


def is_writing() -> bool:
    return _writing.get()


def will_read() -> None:
    _writing.set(False)


def finish(ok: bool) -> None:
    """End the unit of work: keep it, or undo all of it."""
    try:
        if ok:
            db.session.commit()
        else:
            db.session.rollback()
    finally:
        _writing.set(False)


def release() -> None:
    """Let go of the transaction before something slow (a password hash, a fetch) and come back to a fresh one.

    Nothing may have been changed before it: it undoes.
    """
    db.session.rollback()


@contextmanager
def unit_of_work() -> Iterator[None]:
    """For the command line and the machine endpoints; pages get theirs from the request."""
    db.session.rollback()  # what was read before may be old by now, and a read cannot become a write then
    will_write()
    try:
        yield
    except BaseException:
        finish(ok=False)
        raise
    finish(ok=True)


@contextmanager
def limited(connection: Connection, seconds: float, advice: str) -> Iterator[None]:
    """Queries of this connection end after ``seconds``; `Refused` says so, and the advice."""
    limit = {"sqlite": _sqlite_limit, "clickhousedb": _clickhouse_limit}.get(connection.dialect.name, _postgresql_limit)
    try:
        with limit(connection, seconds):
            yield
    except DBAPIError as problem:
        if any(said in str(problem) for said in ("interrupted", "statement timeout", "Timeout exceeded")):
            raise Refused(f"That search looked for {seconds:.0f} seconds and gave up. {advice}") from None
        raise


@contextmanager
def _sqlite_limit(connection: Connection, seconds: float) -> Iterator[None]:
    raw = connection.connection.driver_connection
    assert raw is not None
    deadline = time.monotonic() + seconds
    raw.set_progress_handler(lambda: time.monotonic() > deadline, 20_000)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


@contextmanager
def _postgresql_limit(connection: Connection, seconds: float) -> Iterator[None]:
    connection.execute(text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}"))
    yield


@contextmanager
def _clickhouse_limit(connection: Connection, seconds: float) -> Iterator[None]:
    connection.execution_options(settings={"max_execution_time": seconds})
    yield


def serialise(name: str) -> None:
    """Hold a named lock until the transaction ends. SQLite already holds its one write lock."""
    if db.engine.dialect.name == "postgresql":
        db.session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name})
