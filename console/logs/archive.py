"""Records are written to files before they go: complete and on the disk, or they do not go.

A file is written under another name first. What is in a file of the same day already is not written again, so whoever
was stopped between writing and dropping goes on with dropping.
"""

from __future__ import annotations

import contextlib
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from heapq import merge
from itertools import count, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, String, Table, select

from ..config import Config
from ..db import now, release
from .formats import READERS, SUFFIXES, WRITERS, Row, fresh
from .naming import NamesOfMany
from .retention import LOOK_S, Due
from .segments import records_in
from .store import Store, metadata

PAGE = 2000
BEGUN = ".begun"  # the ending of a file that is being written
TROUBLE = (OSError, EOFError, ValueError, KeyError, zlib.error)  # of the file system, and of what others wrote there

trouble = Table(
    "log_archive_trouble",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1
    Column("since", BigInteger, nullable=False),  # seconds since 1970
    Column("reason", String(300), nullable=False),
)


@dataclass(frozen=True)
class Archive:
    directory: Path
    form: str

    def prepare(self) -> None:
        """Without what was begun and not finished. The directory is not made: it may be a disk that is not there now."""
        for left in self.directory.glob(f"requests-*{BEGUN}"):
            left.unlink()
        probe = self.directory / f"requests-{BEGUN}"
        probe.touch()
        probe.unlink()

    def keep(self, store: Store, due: Due) -> Path | None:
        """The file that it is in now; None: all of it was in others already."""
        stem = stem_of(due.one.name)
        begun = self.directory / f"{stem}{BEGUN}"
        with ExitStack() as files:
            files.callback(begun.unlink, missing_ok=True)  # it takes room that may be what is missing
            if not self._write(begun, fresh(rows_of(store, due), self._known(stem, files))):
                return None
            with self._synced(begun):
                return begun.rename(self._free(stem))

    def _write(self, begun: Path, rows: Iterator[Any]) -> int:
        written = 0
        called = NamesOfMany()
        with begun.open("xb") as file, contextlib.closing(WRITERS[self.form](file)) as out:
            while page := list(islice(rows, PAGE)):
                called.learn(page)
                release()
                out.write([called.of(row) for row in page])
                written += len(page)
        return written

    @contextlib.contextmanager
    def _synced(self, begun: Path) -> Iterator[None]:
        """On the disk: the file before it has its name, and then the name."""
        with begun.open("rb") as file:
            os.fsync(file.fileno())
        yield
        directory = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _known(self, stem: str, files: ExitStack) -> Iterator[Row]:
        """What is in the files of that segment, by id."""
        numbered = re.compile(rf"{re.escape(stem)}(-\d+)?{re.escape(SUFFIXES[self.form])}")
        there = [path for path in sorted(self.directory.iterdir()) if numbered.fullmatch(path.name)]
        return merge(*(READERS[self.form](files.enter_context(path.open("rb"))) for path in there), key=itemgetter(0))

    def _free(self, stem: str) -> Path:
        suffix = SUFFIXES[self.form]
        names = (self.directory / f"{stem}{f'-{n}' if n > 1 else ''}{suffix}" for n in count(1))
        return next(name for name in names if not name.exists())


def archive_of(config: Config) -> Archive | None:
    return Archive(config.logs_archive, config.logs_archive_format) if config.logs_archive else None


def stem_of(name: str) -> str:
    """``requests-2026-08-26``, and with ``_2`` of a busy day's second table; the table from before there were days."""
    day = re.fullmatch(r"log_d(\d{4})(\d\d)(\d\d)(_\d+)?", name)
    return f"requests-{day[1]}-{day[2]}-{day[3]}{day[4] or ''}" if day else "requests-before"


def rows_of(store: Store, due: Due) -> Iterator[Any]:
    """By id, page after page, so that no transaction stays open while a file is written."""
    with store.reading() as connection:
        t, within = records_in(connection, due.one)
    query = select(*t.columns).where(within).order_by(t.c.id).limit(PAGE)
    if not due.is_whole:
        # + 0: by id all the same, and not sorted anew for each page
        query = query.where((t.c.version_id + 0).in_(due.over), t.c.id < max(due.over.values()))
    last = -1
    while True:
        with store.reading(LOOK_S) as connection:
            page: Iterable[Any] = connection.execute(query.where(t.c.id > last)).all()
        if not page:
            return
        for row in page:
            last = row.id
            if due.is_whole or row.id < due.over[row.version_id]:
                yield row


def note_trouble(store: Store, reason: str) -> bool:
    """Whether that is new."""
    with store.writing() as connection:
        since = connection.scalar(select(trouble.c.since))
        connection.execute(trouble.delete())
        connection.execute(trouble.insert().values(id=1, since=since or int(now().timestamp()), reason=reason[:300]))
    return since is None


def end_trouble(store: Store) -> None:
    if trouble_of(store):
        with store.writing() as connection:
            connection.execute(trouble.delete())


def trouble_of(store: Store) -> str:
    """Why nothing can be archived; empty: it can."""
    with store.reading() as connection:
        return connection.scalar(select(trouble.c.reason)) or ""
