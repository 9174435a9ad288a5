"""What one running process knows beside the database: settings, the key ring, and what it remembers from reading.

`changed()` raises a number in the database with every change that machines must see; `remembered()` drops what a
process has cached as soon as it sees a higher number, at most `STALE_S` seconds later. So a revocation made in one
worker is known to all of them, and to the gateway nodes, within two seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import current_app
from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, mapped_column

from .db import Model, db, is_writing

if TYPE_CHECKING:
    from .beside import Beside
    from .config import Config
    from .credentials.seal import Ring
    from .logs.store import Store
    from .logs.writer import Writer

STALE_S = 0.25
T = TypeVar("T")


class Generation(Model):
    """One row: how often anything changed that a gateway or a token rule depends on."""

    __tablename__ = "generation"
    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


@dataclass
class Runtime:
    config: Config
    ring: Ring
    logs: Store
    writer: Writer
    beside: Beside | None = None  # takes records in, in a server's workers
    sealed: dict[str, bytes] = field(default_factory=dict)
    generation: int = -1
    checked_at: float = -1.0
    memory: dict[Any, Any] = field(default_factory=dict)
    verified: dict[bytes, Any] = field(default_factory=dict)  # tokens found good, by SHA-256; see tokens.verify
    parsed: dict[Any, Any] = field(default_factory=dict)  # key objects by id: what an id means never changes
    lock: threading.Lock = field(default_factory=threading.Lock)


class NotInMemory(BaseException):
    """The answer takes more than memory. No rule's ``except Exception`` may make an answer of this."""


_alone: ContextVar[Runtime | None] = ContextVar("alone", default=None)


def runtime() -> Runtime:
    return _alone.get() or cast("Runtime", current_app.extensions["gatewright"])


@contextmanager
def only_memory(me: Runtime) -> Iterator[None]:
    """Whoever asks for what is not remembered is stopped by `NotInMemory`: here nobody may wait for a database.

    There is no application context either, and so no session.
    """
    before = _alone.set(me)
    try:
        yield
    finally:
        _alone.reset(before)


def needs_database() -> None:
    """Said before the database is asked, or changed, by what `only_memory` may hold."""
    if _alone.get() is not None:
        raise NotInMemory


def changed() -> int:
    """Machines must notice this change; returns the new generation, part of the transaction under way."""
    statement = update(Generation).where(Generation.id == 1).values(value=Generation.value + 1)
    value = db.session.scalar(statement.returning(Generation.value).execution_options(synchronize_session=False))
    if value is None:
        db.session.add(Generation(id=1, value=1))
        db.session.flush()
        return 1
    return value


def generation(stale_s: float = STALE_S) -> int:
    """The newest generation this process knows, at most ``stale_s`` seconds old."""
    return up_to_date(stale_s).generation


def up_to_date(stale_s: float = STALE_S) -> Runtime:
    """This process's runtime, without what it remembered from before the newest generation."""
    me = runtime()
    if time.monotonic() - me.checked_at > stale_s:
        needs_database()
        # apart from the session, because it must see what others committed; and never waiting for the session's own lock
        with db.engine.connect().execution_options(writes=False) as connection:
            value = connection.scalar(select(Generation.value).where(Generation.id == 1)) or 0
        with me.lock:
            if value != me.generation:
                me.generation, me.memory, me.verified = value, {}, {}
            me.checked_at = time.monotonic()
    return me


def remembered(key: Any, read: Callable[[], T]) -> T:
    """``read()``, remembered until something changes. ``key`` names it within the process."""
    memory = up_to_date().memory
    try:
        return cast("T", memory[key])
    except KeyError:
        needs_database()
        if not is_writing():
            db.session.rollback()  # a read under way sees the past, which must not be remembered as of now
        value = read()
        if len(memory) > 20_000:
            memory.clear()
        memory[key] = value
        return value
