"""A ClickHouse to test on, what is written to it, and what it holds then."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, func, select, text

from console.db import now
from console.logs.clickhouse import numbered
from console.logs.store import COLUMNS, Store, batch, hour, record, rejected
from console.logs.writer import Row, insert_rows

CLICKHOUSE = os.environ.get("GATEWRIGHT_TEST_LOGS_URL", "")
needed = pytest.mark.skipif(not CLICKHOUSE, reason="GATEWRIGHT_TEST_LOGS_URL names no ClickHouse")
DAY = timedelta(days=1)
NOON = now().replace(hour=12, minute=0, second=0, microsecond=0) - DAY


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[Engine | None]:
    """Outside of any database of ours. Held open: what is within the process ends with its last connection."""
    if not CLICKHOUSE:
        yield None
        return
    engine = create_engine(CLICKHOUSE)
    with engine.connect():
        yield engine
    engine.dispose()


@contextmanager
def logs_apart(clickhouse: Engine | None) -> Iterator[dict[str, str]]:
    """A new logs database for as long as this block lasts; nothing when the logs are with everything else."""
    if clickhouse is None:
        yield {}
        return
    name = f"gw_{uuid.uuid4().hex[:12]}"
    with clickhouse.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield {"GATEWRIGHT_LOGS_URL": clickhouse.url.set(database=name).render_as_string(hide_password=False)}
    with clickhouse.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))


def row(at: datetime, path: str = "/", **values: Any) -> Row:
    """Of the writer: it begins with its time."""
    said = dict.fromkeys(COLUMNS, 0) | dict.fromkeys((c.name for c in record.c if c.type.python_type is str), "")
    said |= {"path": path, "status": 200, "duration_us": 5, "version_id": 1} | values
    return (int(at.timestamp() * 1_000_000), *list(said.values())[1:])


def put(logs: Store, *rows: Row) -> None:
    """With ids instead of times."""
    with logs.writing() as connection:
        insert_rows(connection, numbered(list(rows), itertools.count(1)))


def count(logs: Store, query: Any) -> int:
    with logs.engine.connect() as connection:
        return connection.scalar(query) or 0


def stored(logs: Store) -> list[str]:
    with logs.engine.connect() as connection:
        return sorted(connection.scalars(select(record.c.path)))


def everything(logs: Store) -> tuple[int, ...]:
    """Records, requests in the sums, rejected records, and the batch's own note."""
    counted = [select(func.count()).select_from(t) for t in (record, rejected, batch)]
    return (*(count(logs, query) for query in counted), count(logs, select(func.sum(hour.c.requests))))
