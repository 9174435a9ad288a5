"""The files that records are archived in: written page after page in the order of their ids, and read again so.

Parquet needs pyarrow, which is imported only where it is used: it takes longer than the rest of the console.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, BinaryIO, Protocol

import orjson

from .store import COLUMNS, record

NAMES = ("time", "api", "application", "node", *COLUMNS)
ROW_GROUP = 65_536  # rows; fewer take more room, more take more memory
Row = tuple[Any, ...]


class Writer(Protocol):
    def __init__(self, file: BinaryIO) -> None: ...
    def write(self, page: list[dict[str, Any]]) -> None: ...
    def close(self) -> None: ...


class Ndjson:
    def __init__(self, file: BinaryIO) -> None:
        self.zipped = gzip.GzipFile("", "wb", compresslevel=6, fileobj=file)

    def write(self, page: list[dict[str, Any]]) -> None:
        # 63 bits do not fit JavaScript
        self.zipped.write(b"".join(orjson.dumps(r | {"id": str(r["id"])}, option=_LINE) for r in page))

    def close(self) -> None:
        self.zipped.close()


_LINE = orjson.OPT_APPEND_NEWLINE


def read_ndjson(file: BinaryIO) -> Iterator[Row]:
    with gzip.open(file) as lines:
        for line in lines:
            said = orjson.loads(line)
            yield (int(said["id"]), *(said[name] for name in COLUMNS[1:]))


class Parquet:
    def __init__(self, file: BinaryIO) -> None:
        from pyarrow import parquet

        self.schema = _schema()
        self.out = parquet.ParquetWriter(file, self.schema, compression="zstd")
        self.waiting: list[Any] = []

    def write(self, page: list[dict[str, Any]]) -> None:
        import pyarrow

        said = [r | {"time": datetime.fromisoformat(r["time"])} for r in page]
        self.waiting.append(pyarrow.RecordBatch.from_pylist(said, schema=self.schema))
        if sum(batch.num_rows for batch in self.waiting) >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        self.out.write_table(pyarrow.Table.from_batches(self.waiting, schema=self.schema), ROW_GROUP)
        self.waiting = []

    def close(self) -> None:
        if self.waiting:
            self._flush()
        self.out.close()


def _schema() -> Any:
    import pyarrow

    types = {name: pyarrow.string() for name in NAMES} | {"time": pyarrow.timestamp("us", tz="UTC")}
    types |= {str(c.name): pyarrow.int64() for c in record.columns if c.type.python_type is int}
    return pyarrow.schema(list(types.items()))


def read_parquet(file: BinaryIO) -> Iterator[Row]:
    from pyarrow import parquet

    for batch in parquet.ParquetFile(file).iter_batches(batch_size=5000, columns=COLUMNS):
        yield from zip(*(column.to_pylist() for column in batch.select(COLUMNS).columns), strict=True)


WRITERS: dict[str, type[Writer]] = {"ndjson": Ndjson, "parquet": Parquet}
READERS = {"ndjson": read_ndjson, "parquet": read_parquet}
SUFFIXES = {"ndjson": ".ndjson.gz", "parquet": ".parquet"}


def fresh(rows: Iterable[Any], known: Iterator[Row]) -> Iterator[Any]:
    """Those of ``rows`` that are not in ``known``: both by id, of which ``known`` may have several with the same."""
    ahead: Row | None = next(known, None)
    for row in rows:
        is_known = False
        while ahead is not None and ahead[0] <= row[0]:
            is_known = is_known or ahead == tuple(row)
            ahead = next(known, None)
        if not is_known:
            yield row
