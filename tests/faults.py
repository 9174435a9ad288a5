"""A real `gatewright serve` that something happens to, senders that do not give up, and what must be there afterwards."""

from __future__ import annotations

import fcntl
import gzip
import http.client
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, Select, Table, func, select, text

from console import create_app
from console.config import Config
from console.db import db, unit_of_work
from console.gateway.actions import enrol_node
from console.install import upgrade_databases
from console.logs.rollups import HOUR_US
from console.logs.segments import tables
from console.logs.store import EPOCH_US, SEQUENCE_BITS, Store, hour
from console.logs.sums import answer, caller, latency, node_hour, node_latency, undescribed, usage
from tests.bench import proc
from tests.conftest import make_cast, make_world
from tests.programs import PROJECT, Reply, call, free_port, wait_until
from tests.test_segments import check

SERVE = (sys.executable, "-m", "console", "serve")
AGAIN_S = 0.1  # senders in earnest wait for as long as Retry-After says
GIVE_UP_S = 30.0


@dataclass
class Console:
    """`gatewright serve` in a process group of its own."""

    config: Config
    credential: str
    command: tuple[str, ...] = SERVE
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith("GATEWRIGHT_")} | {"PYTHONPATH": str(PROJECT)}
        env |= {"GATEWRIGHT_HOME": str(self.config.home), "GATEWRIGHT_PORT": str(self.port)}
        env |= {"GATEWRIGHT_DATABASE_URL": self.config.database_url, "GATEWRIGHT_LOGS_URL": self.config.logs_url}
        env |= {"GATEWRIGHT_LOG_LEVEL": "error"} | self.settings
        self.process = proc.start(self.command, port=self.port, env=env, cwd=self.config.home)
        proc.wait_for_port(self.port, self.process)
        wait_until(lambda: len(self.intakes) == 2, 20)  # who connects before has the first worker for good

    @property
    def workers(self) -> list[int]:
        assert self.process is not None
        return proc.children(self.process.pid)

    @property
    def intakes(self) -> list[int]:
        """The processes beside the workers."""
        return [child for worker in self.workers for child in proc.children(worker)]

    def kill(self) -> None:
        """All of it, at once."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            proc.stop(self.process)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def push(self, body: bytes, path: str = "/ingest/json", **headers: str) -> Reply:
        said = {"Authorization": f"Bearer {self.credential}", "Content-Type": "application/json"}
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        return call(self.url + path, "POST", said, body)


def prepare(config: Config) -> None:
    """Its databases, where they are not the usual ones."""
    app = create_app(config)
    upgrade_databases(app)
    app.extensions["gatewright"].logs.dispose()


@contextmanager
def serving(config: Config, command: tuple[str, ...] = SERVE, **settings: str) -> Iterator[Console]:
    """Two workers, and a node that may push; stopped at the end."""
    app = create_app(config)
    with app.app_context():
        with unit_of_work():
            credential = enrol_node("gw-1")[1]
        db.engine.dispose()
    console = Console(config, credential, command, settings)
    try:
        console.start()
        yield console
    finally:
        console.stop()


@contextmanager
def held_up(config: Config) -> Iterator[None]:
    """Nobody's turn to write comes meanwhile."""
    with opened(config) as store:
        if store.is_sqlite:
            with open(f"{store.engine.url.database}.lock", "w") as turn:
                fcntl.flock(turn, fcntl.LOCK_EX)
                yield
        else:
            with store.writing() as connection:
                connection.execute(text("LOCK TABLE log_batch IN ACCESS EXCLUSIVE MODE"))
                yield


def call_record(name: str, at_s: float = 0.0, **values: Any) -> dict[str, Any]:
    """One call, by a name that it is found again by."""
    said = {
        "time": at_s or time.time(),
        "status": 200,
        "method": "GET",
        "path": f"/orders/v1/{name}",
        "duration_us": 1500,
    }
    return said | {"request_id": name, "client_id": "app-0", "response_bytes": 7} | values


class Sender(threading.Thread):
    """Batch after batch, gzip'd; what got no 200 is sent again until it gets one."""

    def __init__(self, console: Console, name: str, size: int = 40, most: int = 1_000_000, **values: Any) -> None:
        super().__init__(name=f"sender {name}", daemon=True)
        self.console, self.sender, self.size, self.most, self.values = console, name, size, most, values
        self.acknowledged: list[str] = []
        self.answers: Counter[int | str] = Counter()
        self.unhelpful: list[str] = []  # what did not say when to come back
        self.stopping = threading.Event()
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        for number in range(self.most):
            if self.stopping.is_set():
                break
            names = [f"{self.sender}-{number}-{i}" for i in range(self.size)]
            records = [
                call_record(name, status=(200, 201, 404, 503)[i % 4], **self.values) for i, name in enumerate(names)
            ]
            if not self._until_taken(gzip.compress(orjson.dumps(records), 1)):
                break
            self.acknowledged += names
        self._hang_up()

    def _until_taken(self, body: bytes) -> bool:
        deadline = time.monotonic() + GIVE_UP_S
        while time.monotonic() < deadline:
            answer = self._once(body)
            self.answers[answer] += 1
            if answer == 200:
                return True
            time.sleep(AGAIN_S)
        self.unhelpful.append("gave up")
        return False

    def _once(self, body: bytes) -> int | str:
        """The status, or what became of the connection."""
        headers = {"Authorization": f"Bearer {self.console.credential}", "Content-Encoding": "gzip"}
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.console.port, timeout=40)
            self.connection.request("POST", "/ingest/json", body, headers)
            answer = self.connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as problem:
            self._hang_up()
            return type(problem).__name__
        if answer.status != 200 and not answer.getheader("Retry-After", "").isdecimal():
            self.unhelpful.append(f"{answer.status} {said[:200]!r}")
        return answer.status

    def _hang_up(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


@dataclass
class Load:
    senders: list[Sender]

    @property
    def acknowledged(self) -> set[str]:
        return {name for sender in self.senders for name in sender.acknowledged}

    @property
    def answers(self) -> Counter[int | str]:
        return sum((sender.answers for sender in self.senders), Counter())

    @property
    def broken(self) -> list[str]:
        """What became of connections that brought no answer."""
        return [said for said in self.answers if isinstance(said, str)]

    @property
    def unhelpful(self) -> list[str]:
        return [said for sender in self.senders for said in sender.unhelpful]

    def get_more(self, status: int, count: int = 20) -> None:
        """Waits until that was answered so often from now on."""
        before = self.answers[status]
        wait_until(lambda: self.answers[status] >= before + count, GIVE_UP_S)

    def stop(self) -> None:
        """Each has its last batch taken first."""
        for sender in self.senders:
            sender.stopping.set()
        self.join()

    def join(self) -> None:
        for sender in self.senders:
            sender.join(GIVE_UP_S + 45)
            assert not sender.is_alive(), sender.name


@contextmanager
def load(console: Console, count: int = 6, **how: Any) -> Iterator[Load]:
    """Senders that push while the block runs."""
    me = Load([Sender(console, f"{i}", **how) for i in range(count)])
    for sender in me.senders:
        sender.start()
    try:
        yield me
    finally:
        me.stop()


def stored(store: Store) -> list[Any]:
    """Every record, oldest first."""
    with store.engine.connect() as connection:
        return _stored(connection)


def _stored(connection: Connection) -> list[Any]:
    days = reversed(tables(connection))
    return [row for day in days for row in connection.execute(select(day).order_by(day.c.id))]


@contextmanager
def opened(config: Config) -> Iterator[Store]:
    """The logs database, as another process than the console sees it."""
    store = Store(config.logs_url)
    try:
        yield store
    finally:
        store.dispose()


def assert_kept_once(config: Config, acknowledged: set[str]) -> None:
    """What was acknowledged is there, nothing is there twice, and whatever counts the records counts the same.

    Read at one moment, because senders may be at work.
    """
    with opened(config) as store, store.engine.connect() as connection:
        rows = _stored(connection)
        found = Counter(row.request_id for row in rows)
        assert {name: n for name, n in found.items() if n > 1} == {}
        assert acknowledged - found.keys() == set()
        assert_sums(connection, rows)
        assert_file(store)


def assert_usage(connection: Connection, rows: list[Any]) -> None:
    """Who called what, how it was answered, and what was not described, by the day, are the records', to the last one."""
    calls, answers, others = Counter[Any](), Counter[Any](), Counter[Any]()
    errors, last = Counter[Any](), dict[Any, int]()
    for row in sorted((row for row in rows if row.version_id), key=lambda row: row.id):
        at = (row.id >> SEQUENCE_BITS) + EPOCH_US
        of = (at // HOUR_US // 24, row.version_id)
        name = f"{row.method} {row.operation}" if row.operation else ""
        key = (*of, name, row.client_id)
        calls[key] += 1
        errors[key] += row.status // 100 == 5
        last[key] = at
        if name:
            answers[*of, name, row.status] += 1
        else:
            others[*of, row.status] += 1
    assert {r[:4]: (r.requests, r.errors, r.last_at) for r in connection.execute(merged(usage))} == {
        key: (count, errors[key], last[key]) for key, count in calls.items()
    }
    assert {r[:4]: r.requests for r in connection.execute(merged(answer))} == answers
    found = Counter[Any]()
    for r in connection.execute(merged(undescribed)):
        found[r.day, r.version_id, r.status] += r.requests
    assert found == others


def merged(table: Table) -> Select[Any]:
    """ClickHouse adds rows of one key up when it likes."""
    kept = (c for c in table.columns if not c.primary_key)
    sums = [(func.max if c.info.get("largest") else func.sum)(c).label(f"{c.name}") for c in kept]
    return select(*table.primary_key.columns, *sums).group_by(*table.primary_key.columns)


def publish_orders(config: Config) -> None:
    """At the path that `call_record` calls."""
    app = create_app(config)
    with app.app_context():
        make_world(app, make_cast(app, ""))
        db.engine.dispose()
    app.extensions["gatewright"].logs.dispose()


def assert_whole(store: Store, rows: list[Any]) -> None:
    """The sums are the records', the catalogue is the tables', and SQLite finds no fault in its file."""
    with store.engine.connect() as connection:
        assert_sums(connection, rows)
    assert_file(store)


def assert_sums(connection: Connection, rows: list[Any]) -> None:
    hours = [((row.id >> SEQUENCE_BITS) + EPOCH_US) // HOUR_US for row in rows]
    by_hour = Counter((at, row.version_id, row.status // 100) for at, row in zip(hours, rows, strict=True))
    assert {(r.hour, r.version_id, r.status_class): r.requests for r in connection.execute(select(hour))} == by_hour
    assert sum(connection.scalars(select(hour.c.duration_us))) == sum(row.duration_us for row in rows)
    for table in (latency, node_hour, node_latency):
        assert sum(connection.scalars(select(table.c.requests))) == len(rows), table
    assert sum(connection.scalars(select(caller.c.requests))) == sum(bool(row.client_id) for row in rows)
    assert_usage(connection, rows)
    assert check(connection) == len(rows)


def assert_file(store: Store) -> None:
    if store.is_sqlite:
        with closing(sqlite3.connect(store.engine.url.database or "")) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
