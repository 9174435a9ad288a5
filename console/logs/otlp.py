"""OTLP/HTTP log records (as Envoy's access logger sends them) to rows.

Attribute names are OpenTelemetry's where it has one (semantic conventions 1.27: ``http.request.method``, ``url.path``,
``http.response.status_code``, ``client.address``, ``user_agent.original``), else under ``gatewright.``.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from ..errors import Refused
from ..gateway.envoy.base import HEALTH
from .store import COLUMNS
from .writer import Row

PATH = COLUMNS.index("path")
LARGEST_BYTES = 20 * 1024 * 1024
LATEST_US = 3600 * 1_000_000  # a clock may be an hour ahead, not more
LARGEST_NUMBER = 2**31 - 1  # of an integer column
OLDEST_US = 400 * 86400 * 1_000_000


class Undecodable(Refused):
    status = 400


class TooLarge(Refused):
    status = 413


@dataclass(frozen=True)
class Batch:
    rows: list[Row]
    rejected: int


def inflate(body: bytes, encoding: str) -> bytes:
    """The body as it was before compression; a bomb stops at the limit."""
    if encoding in ("", "identity"):
        plain = body
    elif encoding == "gzip":
        try:
            stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
            plain = stream.decompress(body, LARGEST_BYTES + 1)
            if not stream.eof and len(plain) <= LARGEST_BYTES:
                raise zlib.error("cut short")
        except zlib.error:
            raise Undecodable("The body is not gzip.") from None
    else:
        raise Undecodable(f"Content-Encoding {encoding!r} is not supported. Use gzip, or none.")
    if len(plain) > LARGEST_BYTES:
        raise TooLarge(f"The batch is larger than {LARGEST_BYTES // 1024 // 1024} MB. Send smaller ones.")
    return plain


def decode(body: bytes, content_type: str, node_id: int) -> Batch:
    """Rows of a batch. One bad record does not fail the others; it is counted."""
    request = ExportLogsServiceRequest()
    try:
        if content_type.startswith("application/json"):
            json_format.Parse(body, request, ignore_unknown_fields=True)
        else:
            request.ParseFromString(body)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError) as problem:
        raise Undecodable(f"This is not an OTLP logs request: {str(problem)[:120]}") from None
    rows, rejected, clock = [], 0, time.time_ns() // 1000
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                try:
                    row = _row(record, node_id, clock)
                except (ValueError, KeyError, OverflowError):
                    rejected += 1
                    continue
                if row[PATH] != HEALTH:  # what asks every node whether it is well, every second, is no traffic
                    rows.append(row)
    return Batch(rows, rejected)


def _row(record: Any, node_id: int, clock: int) -> Row:
    # Envoy sends strings; asking each value for its kind first would cost a third of all this
    said = {pair.key: pair.value.string_value or _as_text(pair.value) for pair in record.attributes}
    at_us = (record.time_unix_nano or record.observed_time_unix_nano) // 1000 or clock
    if not clock - OLDEST_US < at_us < clock + LATEST_US:
        raise ValueError("time")
    status = int(said["http.response.status_code"])
    if not 0 <= status <= 999:
        raise ValueError("status")
    client_id = _text(said, "gatewright.client_id", 40)
    return (
        at_us,
        node_id,
        _number(said, "gatewright.version"),
        client_id,
        _text(said, "gatewright.credential", 10) or ("jws" if client_id else ""),
        _text(said, "gatewright.jti", 64),
        _text(said, "http.request.method", 12) or "?",
        _text(said, "url.path", 500).split("?")[0] or "/",
        status,
        _number(said, "gatewright.duration_us"),
        _number(said, "gatewright.backend_us", missing=-1),
        _number(said, "http.request.body.size"),
        _number(said, "http.response.body.size"),
        _text(said, "gatewright.request_id", 64),
        _text(said, "client.address", 45),
        _text(said, "user_agent.original", 200),
        _text(said, "gatewright.reason", 200) or _text(said, "gatewright.details", 200),
    )


def _as_text(value: Any) -> str:
    kind = value.WhichOneof("value")
    return str(getattr(value, kind)) if kind else ""


def _text(said: dict[str, str], name: str, longest: int) -> str:
    value = said.get(name, "")
    return "" if value == "-" else value[:longest].replace("\x00", "")


def _number(said: dict[str, str], name: str, missing: int = 0) -> int:
    value = said.get(name, "")
    if value in ("", "-"):
        return missing
    number = int(value) if len(value) < 16 and value.isdecimal() else int(float(value))
    return number if 0 <= number < LARGEST_NUMBER else min(max(number, -1), LARGEST_NUMBER)
