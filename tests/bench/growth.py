"""What a long history costs: a record into a full log against one into an empty log, and letting a day go."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from .past import Past
from .records import EPOCH_US, make_batch
from .report import Report, median, ratio

if TYPE_CHECKING:
    from console.logs.store import Store

BATCH, BATCHES = 4096, 8  # a round
COST, DROP_MS = 1.3, 150.0
Row = tuple[Any, ...]


def measure(report: Report, past: Past, rounds: int) -> None:
    with ExitStack() as stack:
        full = stack.enter_context(_store(past.logs, copied=True))
        empty = stack.enter_context(_store(past.logs, copied=False))
        before = _today(full)
        us = _costs({"full": full, "empty": empty}, rounds)
        for name, found in us.items():
            report.notes.append(f"into the {name} log: {median(found):.1f} us of CPU a record")
        report.notes.append(
            f"the table of today had {before:,} rows in the full one; each round adds {BATCH * BATCHES:,}"
        )
        report.bar("times the CPU a record costs in a full log", ratio(us["full"], us["empty"]), at_most=COST)
        drops = _drops(full, rounds)
        report.notes.append(f"ms of CPU to drop a day: {median(cpu_ms for _, cpu_ms in drops):.0f}")
        report.bar("ms to drop a day", median(ms for ms, _ in drops), at_most=DROP_MS)


def _costs(stores: dict[str, Store], rounds: int) -> dict[str, list[float]]:
    """Microseconds of the writer's CPU for each record, in each round; the first is for warming up."""
    from console.logs.writer import Writer

    writers = {name: Writer(store) for name, store in stores.items()}
    spent: dict[str, list[float]] = {name: [] for name in stores}
    chance = random.Random(5)
    for turn in range(-1, rounds):
        batches = [_batch(chance) for _ in range(BATCHES)]
        for name, writer in writers.items():
            began = time.process_time()
            for number, rows in enumerate(batches):
                writer.write(f"{turn} {number}", list(rows))
            if turn >= 0:
                spent[name].append((time.process_time() - began) / (BATCH * BATCHES) * 1e6)
    return spent


def _batch(chance: random.Random) -> list[Row]:
    return [((row[0] >> 12) + EPOCH_US, *row[1:]) for row in make_batch(chance, BATCH).rows]


def _today(store: Store) -> int:
    from console.logs.segments import catalogue

    with store.reading() as connection:
        return catalogue(connection)[-1].rows


def _drops(store: Store, most: int) -> list[tuple[float, float]]:
    """Milliseconds for each of the oldest whole days, and how many of them were CPU."""
    from console.logs.segments import catalogue, drop

    with store.writing() as connection:
        days = catalogue(connection)[1 : 1 + most]
    spent = []
    for day in days:
        began, cpu_began = time.perf_counter(), time.process_time()
        with store.writing() as connection:
            drop(connection, day)
        spent.append(((time.perf_counter() - began) * 1000, (time.process_time() - cpu_began) * 1000))
    return spent


@contextmanager
def _store(past: Path, *, copied: bool) -> Iterator[Store]:
    """A log to write to, beside the one that questions are asked about."""
    from console.logs.store import Store

    with TemporaryDirectory(dir=past.parent, prefix="log-") as folder:
        file = Path(folder) / "logs.db"
        if copied:
            with closing(sqlite3.connect(past)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            shutil.copyfile(past, file)
        store = Store(f"sqlite:///{file}")
        store.prepare()
        try:
            yield store
        finally:
            store.dispose()
