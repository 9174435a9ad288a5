"""One thread per worker writes records: batches that wait together are committed together, and only then answered.

The queue is bounded and says no before the work. Writers of several processes take turns by a lock file, because
SQLite's own waiting starves them and keeps the write-ahead log from being reset.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import psycopg
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from ..db import AWAY
from . import body_tables, clickhouse, letters, rollups
from .body_tables import Bodies
from .call_bodies import WithBodies
from .completeness import note_received
from .segments import place
from .store import COLUMNS, EPOCH_US, FIRST, SEQUENCE_BITS, Store, batch, record

MOST_WAITING = 64
MOST_TOGETHER = 32
WAIT_S = 30.0
# also as the drivers raise it, by which records are written, and of the lock file
TROUBLE = (*AWAY, sqlite3.OperationalError, psycopg.OperationalError, OSError)
Row = tuple[Any, ...]  # (microseconds since 1970, then every column of `log_record` after the id)

log = structlog.get_logger("logs")


class NotNow(Exception):
    """It cannot be written now; the sender should come back."""


class Overloaded(NotNow):
    """The queue is full."""


class Unavailable(NotNow):
    """The database is away, full or broken, which is no batch's fault."""


@dataclass
class Waiting:
    digest: str
    rows: list[Row]
    letters: list[letters.Letter] = field(default_factory=list)
    uncounted: list[tuple[int, int]] = field(default_factory=list)  # node and minute of what is received and not kept
    done: threading.Event = field(default_factory=threading.Event)
    problem: Exception | None = None


class Writer:
    def __init__(self, store: Store, at_once: int = MOST_WAITING) -> None:
        """``at_once``: batches that a process takes in at the same time; each holds one of its threads."""
        self.store, self.at_once = store, at_once
        self.places = threading.BoundedSemaphore(at_once)
        # one at a time: several would only take the interpreter from each other, and from the pages
        self.decoding = threading.Lock()
        self.queue: queue.Queue[Waiting] = queue.Queue(MOST_WAITING)
        self.thread: threading.Thread | None = None
        self.starting = threading.Lock()
        self.moved_us = 0  # so much later than it happened is what is being written: its numbers were taken
        self.sequence = itertools.count(random.randrange(1 << 2 * SEQUENCE_BITS))  # noqa: S311 - spreads, hides nothing

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """`Overloaded` before any work is done for a batch that would find no room, or leave no thread to the pages."""
        if self.queue.full() or not self.places.acquire(blocking=False):
            raise Overloaded
        try:
            yield
        finally:
            self.places.release()

    def write(
        self,
        digest: str,
        rows: list[Row],
        rejected: list[letters.Letter] | None = None,
        uncounted: list[tuple[int, int]] | None = None,
    ) -> None:
        """Returns when the rows are committed. A batch with a digest seen before is kept once."""
        self._start()
        waiting = Waiting(digest, rows, rejected or [], uncounted or [])
        try:
            self.queue.put_nowait(waiting)
        except queue.Full:
            raise Overloaded from None
        if not waiting.done.wait(WAIT_S):
            raise Overloaded
        if isinstance(waiting.problem, TROUBLE):
            raise Unavailable from waiting.problem
        if waiting.problem:
            raise waiting.problem

    def _start(self) -> None:
        with self.starting:  # lazily, so that it lives in the worker and not in the process that forks it
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
                self.thread.start()

    def _run(self) -> None:
        while True:
            group = [self.queue.get()]
            with contextlib.suppress(queue.Empty):
                while len(group) < MOST_TOGETHER:
                    group.append(self.queue.get_nowait())
            if not self._try(group):
                for waiting in group if len(group) > 1 else ():  # one of them is at fault; the others are kept
                    self._try([waiting])
            for waiting in group:
                waiting.done.set()

    def _try(self, group: list[Waiting]) -> bool:
        try:
            self._commit(group)
        except Exception as problem:  # every sender learns of it and sends again
            log.error("logs.write_failed", error=str(problem)[:300])
            for waiting in group:
                waiting.problem = problem
            return False
        for waiting in group:
            waiting.problem = None
        return True

    def _commit(self, group: list[Waiting]) -> None:
        for tries in range(5):
            # all numbers of a microsecond are soon taken where senders know whole seconds only: look farther on each time
            self.moved_us = random.randrange(32**tries)  # noqa: S311 - spreads, hides nothing
            try:
                with self.store.turn(), self.store.writing() as connection:
                    self._insert(connection, group)
                return
            except IntegrityError:  # another batch used the same microsecond and sequence: number them again
                continue
        raise Overloaded

    def _insert(self, connection: Connection, group: list[Waiting]) -> None:
        fresh = self._fresh(connection, group)
        if clickhouse.is_it(connection):
            self._insert_apart(connection, fresh)
        else:
            self._note(connection, fresh)
            self._insert_all(connection, fresh)

    def _insert_apart(self, connection: Connection, fresh: list[Waiting]) -> None:
        """Where nothing is undone: a batch is noted when all of it is there, and a repeated one completes it."""
        for waiting in fresh:
            clickhouse.once(connection, waiting.digest)
            self._insert_all(connection, [waiting])
        clickhouse.once(connection, "")
        self._note(connection, fresh)

    def _insert_all(self, connection: Connection, fresh: list[Waiting]) -> None:
        rows = [row for waiting in fresh for row in waiting.rows]
        note_received(connection, rows, [one for waiting in fresh for one in waiting.uncounted])
        self._insert_records(connection, rows)
        letters.keep(connection, [letter for waiting in fresh for letter in waiting.letters])

    def _insert_records(self, connection: Connection, rows: list[Row]) -> None:
        if not rows:
            return
        if clickhouse.is_it(connection):
            spread = rows
            numbered = clickhouse.numbered(rows, self.sequence)
        else:
            spread = self._spread(rows)
            numbered = [((row[0] - EPOCH_US) << SEQUENCE_BITS | self._next(), *row[1:]) for row in spread]
        pairs = zip(rows, numbered, strict=True)  # they are in the same order now
        bodies = {new[0]: (row.request, row.response) for row, new in pairs if type(row) is WithBodies}
        insert_rows(connection, numbered, bodies)
        rollups.add(connection, spread)

    def _spread(self, rows: list[Row]) -> list[Row]:
        """By time. A microsecond has 4096 numbers: what comes after that many in this order is moved on by one."""
        rows.sort(key=itemgetter(0))
        turn = 1 << SEQUENCE_BITS
        if not self.moved_us and len(rows) <= turn:
            return rows
        return [(row[0] + self.moved_us + i // turn, *row[1:]) for i, row in enumerate(rows)]

    def _next(self) -> int:
        return next(self.sequence) & ((1 << SEQUENCE_BITS) - 1)

    def _fresh(self, connection: Connection, group: list[Waiting]) -> list[Waiting]:
        """Those whose digests were not there. The same one twice in a group counts once."""
        by_digest = {waiting.digest: waiting for waiting in group}
        seen = batch.select().with_only_columns(batch.c.digest).where(batch.c.digest.in_(by_digest))
        known = set(connection.scalars(seen))
        return [waiting for digest, waiting in by_digest.items() if digest not in known]

    def _note(self, connection: Connection, fresh: list[Waiting]) -> None:
        stored_at = int(time.time())
        noted = [(waiting.digest, stored_at, len(waiting.rows)) for waiting in fresh]
        if clickhouse.is_it(connection):
            clickhouse.insert(connection, batch, noted)
        elif noted:
            connection.execute(batch.insert(), [dict(zip(batch.columns.keys(), one, strict=True)) for one in noted])


def insert_rows(connection: Connection, rows: list[Row], bodies: Bodies | None = None) -> None:
    """Rows that begin with their id, in the tables of their days; beside them the bodies of those that have any."""
    rows.sort(key=itemgetter(0))
    if clickhouse.is_it(connection):
        clickhouse.insert(connection, record, rows)
        body_tables.keep_all(connection, bodies or {})
        return
    for name, part in place(connection, rows):
        if connection.dialect.name == "sqlite":
            _insert_many(connection, name, part)
        else:
            _copy(connection, part)
        if bodies and (theirs := {row[0]: bodies[row[0]] for row in part if row[0] in bodies}):
            body_tables.keep(connection, name, theirs)


def _insert_many(connection: Connection, name: str, rows: list[Row]) -> None:
    raw: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    marks = ",".join("?" * len(COLUMNS))
    try:
        raw.executemany(f"INSERT INTO {name} ({','.join(COLUMNS)}) VALUES ({marks})", rows)  # noqa: S608
    except sqlite3.IntegrityError as problem:
        raise IntegrityError(f"INSERT INTO {name}", None, problem) from problem


def _copy(connection: Connection, rows: list[Row]) -> None:
    """Into the table that is split: PostgreSQL finds each row's partition."""
    cursor = connection.connection.cursor()
    try:
        with cursor.copy(f"COPY {FIRST} ({','.join(COLUMNS)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.IntegrityError as problem:  # past SQLAlchemy, which would have said it its way
        raise IntegrityError(f"COPY {FIRST}", None, problem) from problem
