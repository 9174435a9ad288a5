"""Made-up request records: as OTLP, the way a node sends them, and as the rows they become."""

from __future__ import annotations

import random
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

EPOCH_US = 1_577_836_800_000_000  # 2020, from which ids count
COLUMNS = (
    "id", "node_id", "version_id", "client_id", "credential", "jti", "method", "path", "status", "duration_us",
    "backend_us", "request_bytes", "response_bytes", "request_id", "client_address", "user_agent", "reason", "trace_id", "operation", "country",
)  # fmt: skip
AGENTS = (
    "curl/8.5.0",
    "python-requests/2.32.3",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
)
# the names under which a node sends the columns from `version_id` on, in their order
ATTRIBUTES = (
    "gatewright.version", "gatewright.client_id", "gatewright.credential", "gatewright.jti", "http.request.method",
    "url.path", "http.response.status_code", "gatewright.duration_us", "gatewright.backend_us",
    "http.request.body.size", "http.response.body.size", "gatewright.request_id", "client.address",
    "user_agent.original", "gatewright.reason",
)  # fmt: skip


# what a shipper that nobody configured for us calls them; the rest of a row is the console's to find out
JSON_NAMES = (
    "client_id", "method", "path", "status", "duration_us", "backend_us", "request_bytes", "response_bytes", "request_id",
    "client_address", "user_agent", "trace_id",
)  # fmt: skip


def segments(logs: sqlite3.Connection) -> list[str]:
    """The tables that hold records, also in a checkout that has one only."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND (name GLOB 'log_d2*' OR name = 'log_record') ORDER BY name"
    return [name for (name,) in logs.execute(query)]


@dataclass(frozen=True)
class Batch:
    body: bytes
    rows: list[tuple[Any, ...]]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The same rows as JSON records."""
        places = [(name, COLUMNS.index(name)) for name in JSON_NAMES]
        return [{"time": ((r[0] >> 12) + EPOCH_US) / 1e6} | {name: r[at] for name, at in places} for r in self.rows]

    @property
    def json(self) -> bytes:
        return orjson.dumps(self.objects)

    @property
    def ndjson(self) -> bytes:
        return b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in self.objects)


def make_batch(chance: random.Random, size: int, called: str = "/orders/v1") -> Batch:
    """``called``: the path of the API."""
    rows = [_row(chance, number, called) for number in range(size)]
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for row in rows:
        record = records.add(time_unix_nano=((row[0] >> 12) + EPOCH_US) * 1000, trace_id=bytes.fromhex(row[-3]))
        for name, value in zip(ATTRIBUTES, row[2:-3], strict=True):
            record.attributes.add(key=name).value.string_value = str(value) or "-"
        # what Envoy sends besides and the console does not keep
        record.attributes.add(key="http.route").value.string_value = "orders@1.0.0"
        record.attributes.add(key="gatewright.details").value.string_value = "via_upstream"
    return Batch(request.SerializeToString(), rows)


def _row(chance: random.Random, number: int, called: str) -> tuple[Any, ...]:
    client, kind = chance.randrange(200), chance.choice(("jws", "jwe", "key"))
    spent = int(chance.lognormvariate(9, 1))
    return (
        (time.time_ns() // 1000 - EPOCH_US) << 12 | number & 4095,
        1,
        chance.randrange(1, 40),
        f"app-{client:016x}",
        kind,
        f"{chance.getrandbits(128):032x}",
        chance.choice(("GET", "GET", "GET", "POST")),
        f"{called}/orders/{chance.randrange(100_000)}",
        chance.choices((200, 201, 404, 500), (90, 5, 4, 1))[0],
        spent,
        spent * 9 // 10,
        chance.randrange(2000),
        chance.randrange(20_000),
        f"{chance.getrandbits(128):032x}",
        f"192.0.2.{chance.randrange(256)}",
        chance.choice(AGENTS),
        "",
        f"{chance.getrandbits(128):032x}" if number % 2 else "",
        "",
        "",
    )
