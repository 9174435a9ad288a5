"""A console of two workers, of which some are killed while they write, with a ClickHouse that is another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event

import orjson
import pytest
from sqlalchemy import create_engine, func, select, text

from console import create_app
from console.config import load
from console.db import unit_of_work
from console.gateway.actions import enrol_node
from console.logs.store import batch, hour, record
from tests.clickhouse import needed
from tests.ingested import nginx
from tests.programs import PROJECT, Installation, call, free_port, installation, wait_until

pytestmark = [pytest.mark.envoy, needed]
SENDERS, BATCHES, RECORDS = 4, 25, 40


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a ClickHouse with an empty database."""
    port, directory = free_port(), tmp_path_factory.mktemp("clickhouse")
    process = subprocess.Popen([sys.executable, "-m", "tests.clickhouse_http", str(directory), str(port)], cwd=PROJECT)
    base = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(base), 60)
    call(base, "POST", data=b"CREATE DATABASE gatewright")
    yield f"clickhouse://127.0.0.1:{port}/gatewright"
    process.terminate()
    process.wait(30)


def answers(url: str) -> bool:
    with suppress(OSError):
        return call(url, "POST", data=b"SELECT 1").status == 200
    return False


def workers_of(me: Installation) -> list[int]:
    """The youngest generation: `up`, its server, the server's workers."""
    found: list[int] = []
    for child in children(me.pid):
        found += children(child)
    return found


def children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def send(me: Installation, credential: str, sender: int) -> int:
    """Every batch until it is taken; how many times one had to be sent again."""
    again = 0
    for number in range(BATCHES):
        records = [nginx(f"/{sender}/{number}/{i}", status="x" if i == 7 else "200") for i in range(RECORDS)]
        body = orjson.dumps(records)
        while not taken(me, credential, body):
            again += 1
            time.sleep(0.2)
    return again


def taken(me: Installation, credential: str, body: bytes) -> bool:
    with suppress(OSError):
        said = {"Authorization": f"Bearer {credential}", "Content-Type": "application/json"}
        return call(f"{me.console}/ingest/json", "POST", said, body).status == 200
    return False


def test_workers_that_are_killed_lose_and_double_nothing(server: str, tmp_path: Path) -> None:
    settings = {"GATEWRIGHT_LOGS_URL": server, "GATEWRIGHT_WORKERS": "2", "GATEWRIGHT_LOG_LEVEL": "error"}
    with installation(tmp_path / "home", **settings) as me:
        app = create_app(load({"GATEWRIGHT_HOME": str(me.home), "GATEWRIGHT_LOGS_URL": server}))
        with app.app_context(), unit_of_work():
            _, credential = enrol_node("sender", serves=False)
        done = Event()

        def killer() -> int:
            killed = 0
            while not done.wait(1):
                if workers := workers_of(me):
                    os.kill(workers[killed % len(workers)], signal.SIGKILL)
                    killed += 1
            return killed

        with ThreadPoolExecutor(SENDERS + 1) as threads:
            kills = threads.submit(killer)
            sent_again = sum(threads.map(lambda n: send(me, credential, n), range(SENDERS)))
            done.set()
        assert (kills.result() > 0, sent_again > 0) == (True, True)
    wanted = SENDERS * BATCHES * (RECORDS - 1)
    with create_engine(load({"GATEWRIGHT_LOGS_URL": server}).logs_url).connect() as connection:
        paths = connection.scalars(select(record.c.path).where(record.c.path.like("/%/%/%"))).all()
        assert (len(paths), len(set(paths))) == (wanted, wanted)
        assert connection.scalar(select(func.sum(hour.c.requests)).where(hour.c.version_id == 0)) == wanted
        assert connection.scalar(text("SELECT count() FROM log_rejected")) == SENDERS * BATCHES
        digests = connection.scalars(select(batch.c.digest).where(batch.c.records == RECORDS - 1)).all()
        assert len(set(digests)) == SENDERS * BATCHES
