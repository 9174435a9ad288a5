"""OTLP/HTTP log records (as Envoy's access logger sends them) to rows.

Attribute names are OpenTelemetry's where it has one (semantic conventions 1.27: ``http.request.method``, ``url.path``,
``http.response.status_code``, ``client.address``, ``user_agent.original``), else under ``gatewright.``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from . import otlp_alike
from .bodies import Batch, Undecodable, check_count
from .call_bodies import Sent, from_gateway
from .fields import LARGEST_NUMBER, LATEST_US, OLDEST_US, Bad, Normaliser, address_of, clean_path, text, trace, us
from .otlp_mending import mended
from .otlp_wire import pair, request_class, whole
from .scrub import scrub_common
from .writer import Row

MALFORMED = (DecodeError, UnicodeDecodeError)


def decode(body: bytes, content_type: str, make: Normaliser) -> Batch:
    """Rows of a batch. One bad record does not fail the others."""
    try:
        try:
            wire = _as_protobuf(body) if content_type.startswith("application/json") else body
            return _batch(wire, make)
        except MALFORMED:
            return _batch(mended(body), make)
    except (*MALFORMED, json_format.ParseError, RecursionError) as problem:
        raise Undecodable(f"This is not an OTLP logs request: {str(problem)[:120]}") from None


def _as_protobuf(body: bytes) -> bytes:
    request = ExportLogsServiceRequest()
    json_format.Parse(body, request, ignore_unknown_fields=True)
    wire: bytes = request.SerializeToString()
    return wire


def _batch(wire: bytes, make: Normaliser) -> Batch:
    request: Any = request_class()()
    request.ParseFromString(wire)
    batch, count = Batch(), 0
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            count += len(scope.log_records)
            check_count(count)
            kinds = defaultdict[int, list[Any]](list)
            for record in scope.log_records:
                kinds[len(record.attributes)].append(record)
            for records in kinds.values():
                for row in otlp_alike.rows(records, make) or _one_by_one(records, make, batch):
                    batch.take(row)
    return batch


def _one_by_one(records: list[Any], make: Normaliser, batch: Batch) -> Iterator[Row]:
    for record in records:
        said = dict(map(pair, record.attributes))
        try:
            yield _row(record, said, make)
        except (ValueError, KeyError, OverflowError) as problem:
            batch.rejected.append((_reason(problem), whole(record)))


def _reason(problem: Exception) -> str:
    if isinstance(problem, Bad):
        return str(problem)
    return "there is no status" if isinstance(problem, KeyError) else "a value is no number"


def _row(record: Any, said: dict[str, str], make: Normaliser) -> Row:
    # it makes its row itself, and not by `Normaliser.row`, which would look at each value twice
    at_us = (record.time_unix_nano or record.observed_time_unix_nano) // 1000 or make.clock
    if not make.clock - OLDEST_US < at_us < make.clock + LATEST_US:
        raise Bad("the time is in the future, or more than 400 days ago")
    status = int(said["http.response.status_code"])
    if not 0 <= status <= 999:
        raise Bad("the status is none of HTTP's")
    client_id = _text(said, "gatewright.client_id", 40)
    path, method = clean_path(said.get("url.path", "")), _text(said, "http.request.method", 12).upper() or "?"
    address = address_of(said.get("client.address", ""))
    version_id = _number(said, "gatewright.version") or make.version_of(path)
    operation, path = make.described(version_id, method, path) if version_id else ("", path)
    row = (
        at_us,
        make.node_id,
        version_id,
        client_id,
        _text(said, "gatewright.credential", 10) or ("jws" if client_id else ""),
        _text(said, "gatewright.jti", 64),
        method,
        path,
        status,
        _number(said, "gatewright.duration_us") if "gatewright.duration_us" in said else _seconds(said),
        _number(said, "gatewright.backend_us", missing=-1),
        _number(said, "http.request.body.size"),
        _number(said, "http.response.body.size"),
        _text(said, "gatewright.request_id", 64),
        address,
        scrub_common(_text(said, "user_agent.original", 200)),
        scrub_common(_text(said, "gatewright.reason", 200) or _details(_text(said, "gatewright.details", 200))),
        _trace(record.trace_id) or trace(said.get("gatewright.traceparent")),
        operation[:200],
        make.country_of(address),
    )
    return make.with_bodies(row, *_bodies(said)) if version_id in make.rules else row


def _details(text: str) -> str:
    """Envoy's word for it; for what people ask for by name, ours."""
    return "rate_limited" if text == "local_rate_limited" else text


def _bodies(said: dict[str, str]) -> tuple[Sent | None, Sent | None]:
    return (
        from_gateway(said.get("gatewright.request_body", ""), _number(said, "http.request.body.size")),
        from_gateway(said.get("gatewright.response_body", ""), _number(said, "http.response.body.size")),
    )


def _trace(said: bytes) -> str:
    """16 bytes that are not all nothing (OTLP, `LogRecord.trace_id`); what is none is left out."""
    return said.hex() if len(said) == 16 and any(said) else ""


def _text(said: dict[str, str], name: str, longest: int) -> str:
    return text(said.get(name, ""), longest)


def _seconds(said: dict[str, str]) -> int:
    """OpenTelemetry's name for it, of senders that are not configured by us."""
    return us(said.get("http.server.request.duration"), "http.server.request.duration", 1_000_000)


def _number(said: dict[str, str], name: str, missing: int = 0) -> int:
    value = said.get(name, "")
    if value in ("", "-"):
        return missing
    number = int(value) if len(value) < 16 and value.isdecimal() else int(float(value))
    return number if 0 <= number < LARGEST_NUMBER else min(max(number, -1), LARGEST_NUMBER)
