"""Log ingest: OTLP over HTTP until it is committed, against plain `sqlite3.executemany` of the same rows.

The plain side has neither HTTP, nor parsing, nor a second process to wait for: it is what the disk and SQLite allow.
One batch in twenty is sent twice, as senders do that saw no answer; every row must be there exactly once all the same.
"""

from __future__ import annotations

import http.client
import random
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from . import proc
from .options import Options
from .records import COLUMNS, Batch, make_batch, segments
from .report import Report, median, ratio
from .world import CONSOLE_PORT, OTHER_PORT, Installation, installed, make_world

ROWS = 61_440  # in each round
SIZES = (512, 4096)
PUSHERS = 4
TWICE_EVERY = 20
SEED = 20
PRAGMAS = tuple(
    f"PRAGMA {said}"
    for said in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -32768", "wal_autocheckpoint = 16000")
)  # as the console's writer has them
Key = tuple[str, int]  # who, records in a batch


@dataclass(frozen=True)
class Speed:
    rows_per_s: float
    rows_per_cpu_s: float


@dataclass
class Console:
    where: Installation
    pid: int
    sent: set[str] = field(default_factory=set)  # request ids

    def push(self, batches: list[Batch]) -> Speed:
        shares = [batches[i::PUSHERS] for i in range(PUSHERS)]
        began, cpu = time.perf_counter(), proc.cpu_seconds(self.pid)
        with ThreadPoolExecutor(PUSHERS) as pool:
            list(pool.map(self._push_all, shares))
        seconds, cpu_s = time.perf_counter() - began, proc.cpu_seconds(self.pid) - cpu
        self.sent |= {row[COLUMNS.index("request_id")] for batch in batches for row in batch.rows}
        return Speed(ROWS / seconds, ROWS / cpu_s)

    def _push_all(self, batches: list[Batch]) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self.where.port, timeout=60)) as connection:
            for number, batch in enumerate(batches):
                for _ in range(2 if number % TWICE_EVERY == 0 else 1):
                    self._push(connection, batch.body)

    def _push(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        headers = {"Authorization": f"Bearer {self.where.node_credential}", "Content-Type": "application/x-protobuf"}
        connection.request("POST", "/v1/logs", body, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200 or said:  # a body would say how many were rejected
            raise AssertionError(f"the console answered {answer.status}: {said[:200]!r}")

    def check(self) -> int:
        """Every row that was sent, exactly once; how many."""
        with closing(sqlite3.connect(self.where.home / "logs.db")) as logs:
            kept = [i for name in segments(logs) for (i,) in logs.execute(f"SELECT request_id FROM {name}")]
            (counted,) = logs.execute("SELECT sum(requests) FROM log_hour").fetchone()
        if not len(kept) == len(self.sent) == counted or set(kept) != self.sent:
            raise AssertionError(f"{len(self.sent):,} sent, {len(kept):,} kept, {counted:,} in the hourly sums")
        return len(kept)


class Plain:
    """The same schema, pragmas and transactions, without anything around them."""

    def __init__(self, like: Path, file: Path) -> None:
        with closing(sqlite3.connect(like)) as logs:
            schema = [sql for (sql,) in logs.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]
            self.table = segments(logs)[-1]
        self.database = sqlite3.connect(file, isolation_level=None)
        for statement in (*PRAGMAS, *schema):
            self.database.execute(statement)

    def write(self, batches: list[Batch]) -> Speed:
        insert = f"INSERT INTO {self.table} ({','.join(COLUMNS)}) VALUES ({','.join('?' * len(COLUMNS))})"
        began, cpu = time.perf_counter(), time.process_time()
        for batch in batches:
            self.database.execute("BEGIN IMMEDIATE")
            self.database.executemany(insert, batch.rows)
            self.database.execute("COMMIT")
        return Speed(ROWS / (time.perf_counter() - began), ROWS / (time.process_time() - cpu))


def run(options: Options) -> Report:
    speeds: dict[Key, list[Speed]] = {}
    with ExitStack() as servers:
        consoles = dict(_start(servers, options))
        ours = consoles["ours"].where
        chance = random.Random(SEED)
        for console in consoles.values():
            console.push([make_batch(chance, 1)])  # makes the table of today
        plain = Plain(ours.home / "logs.db", ours.home / "plain.db")
        for turn in range(-1, options.rounds):
            for size in SIZES:
                batches = [make_batch(chance, size) for _ in range(ROWS // size)]
                found = {"plain": plain.write(batches)} | {who: c.push(batches) for who, c in consoles.items()}
                for who, speed in found.items():
                    if turn >= 0:  # the first is for warming up
                        speeds.setdefault((who, size), []).append(speed)
        kept = {who: console.check() for who, console in consoles.items()}
    return _report(speeds, kept)


def _report(speeds: dict[Key, list[Speed]], kept: dict[str, int]) -> Report:
    report = Report("Logs: OTLP to commit, against plain executemany; median, and median ratio of the rounds")
    wall = {key: [s.rows_per_s for s in found] for key, found in speeds.items()}
    cpu = {key: [s.rows_per_cpu_s for s in found] for key, found in speeds.items()}
    for who, size in sorted(speeds, key=lambda key: key[1]):
        report.rows.append(
            {
                "writer": who,
                "batch": size,
                "rows/s": median(wall[who, size]),
                "to plain": ratio(wall[who, size], wall["plain", size]),
                "rows/cpu-s": median(cpu[who, size]),
                "cpu to plain": ratio(cpu[who, size], cpu["plain", size]),
            }
        )
        if who == "other":
            gain = ratio(cpu["ours", size], cpu[who, size])
            report.notes.append(f"{size} a batch, rows per CPU-second, this checkout to the other one: {gain:.2f}")
    report.notes += [f"{who}: {count:,} rows sent, each is there exactly once" for who, count in kept.items()]
    return report


def _start(servers: ExitStack, options: Options) -> Iterator[tuple[str, Console]]:
    for (who, checkout), port in zip(options.checkouts.items(), (CONSOLE_PORT, OTHER_PORT), strict=False):
        where = servers.enter_context(installed(checkout, port))
        make_world(where)  # for the node's credential
        pid = servers.enter_context(proc.serving(where.command("serve"), port=port, env=where.env, cwd=checkout))
        yield who, Console(where, pid)
