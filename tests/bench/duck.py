"""DuckDB with the rows of a console's log: what a column store answers to the same questions."""

from __future__ import annotations

import csv
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from .records import COLUMNS, segments

NUMBERS = {"id": "BIGINT", "request_bytes": "BIGINT", "response_bytes": "BIGINT", "status": "SMALLINT"}
NUMBERS |= dict.fromkeys(("node_id", "version_id", "duration_us", "backend_us"), "INTEGER")
KINDS = {name: NUMBERS.get(name, "VARCHAR") for name in COLUMNS}


class Duck:
    """One table, in the order of time, so that its zone maps can leave out what is too old or too new."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.connection = duckdb.connect(str(file))

    def fill(self, logs: Path) -> None:
        """Day after day by a CSV file, which it reads faster than rows from Python."""
        columns = ", ".join(f"{name} {kind}" for name, kind in KINDS.items())
        self.connection.execute(f"CREATE OR REPLACE TABLE calls ({columns})")
        with closing(sqlite3.connect(logs)) as source:
            for name in segments(source):
                with tempfile.NamedTemporaryFile("w", dir=self.file.parent, suffix=".csv", newline="") as day:
                    query = f"SELECT {','.join(COLUMNS)} FROM {name} ORDER BY id"
                    csv.writer(day).writerows(source.execute(query))
                    day.flush()
                    self._read(day.name)
        self.connection.execute("CHECKPOINT")

    def _read(self, file: str) -> None:
        query = "INSERT INTO calls SELECT * FROM read_csv(?, header = false, nullstr = '\\N', columns = ?)"
        self.connection.execute(query, [file, KINDS])

    def ask(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, values).fetchall()

    def close(self) -> None:
        self.connection.close()
