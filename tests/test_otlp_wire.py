"""OTLP's attributes are cut out of the bytes, and records made together: what comes out is what protobuf reads of each."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from console.logs import otlp, otlp_alike
from console.logs.bodies import Undecodable
from console.logs.fields import Normaliser
from console.logs.otlp_wire import Unlike, columns, pair, request_class
from tests.test_alike import STRANGE, make

COUNT = 12
INNER = AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="x"), AnyValue(int_value=-1)]))
VALUES = (
    None, AnyValue(), AnyValue(string_value=""), AnyValue(string_value="-"), AnyValue(string_value="é\n\x00"),
    *(AnyValue(string_value="x" * size) for size in (1, 100, 105, 106, 107, 123, 124, 125, 126, 127, 128, 130, 300, 20_000)),
    AnyValue(int_value=0), AnyValue(int_value=200), AnyValue(int_value=-(2**63)), AnyValue(double_value=0.25),
    AnyValue(double_value=float("nan")), AnyValue(bool_value=True), AnyValue(bool_value=False),
    AnyValue(bytes_value=b"\xff\x00"), INNER, AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="a", value=INNER)])),
)  # fmt: skip
NAMES = ("", "k", "http.response.status_code", "ü", "n" * 127, "n" * 128, "n" * 200)
GOOD = {
    "http.response.status_code": "200", "http.request.method": "GET", "url.path": "/orders/7", "gatewright.version": "3",
    "gatewright.client_id": "app-1", "gatewright.credential": "", "gatewright.jti": "-", "gatewright.duration_us": "1500",
    "gatewright.backend_us": "-", "http.request.body.size": "0", "http.response.body.size": "512",
    "gatewright.request_id": "r", "client.address": "192.0.2.7", "user_agent.original": "curl/8", "gatewright.reason": "-",
    "gatewright.details": "via_upstream", "gatewright.traceparent": "-", "http.route": "orders",
}  # fmt: skip


def by_protobuf(raw: bytes) -> tuple[str, str] | None:
    try:
        said = KeyValue.FromString(raw)
    except DecodeError:
        return None
    kind = said.value.WhichOneof("value")
    return said.key, str(getattr(said.value, kind)) if kind else ""


def from_bytes(raw: bytes) -> tuple[str, str] | None:
    try:
        return pair(raw)
    except (DecodeError, UnicodeDecodeError):
        return None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", VALUES)
def test_every_kind_of_value(name: str, value: AnyValue | None) -> None:
    raw = KeyValue(key=name, value=value).SerializeToString()
    assert pair(raw) == by_protobuf(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\x0a", b"\x0a\x00", b"\x12\x00", b"\x0a\x01k", b"\x0a\x05k", b"\x0a\x01k\x12\x03\x0a\x05x", b"\x0a\x01k\x12\x05\x0a\x01x",
        b"\x12\x03\x0a\x01x\x0a\x01k",  # the value first
        b"\x0a\x01k\x12\x03\x0a\x01x\x12\x03\x0a\x01y", b"\x0a\x01k\x12\x03\x0a\x01x\x12\x00",  # twice
        b"\x0a\x01k\x12\x06\x0a\x01x\x0a\x01y", b"\x0a\x01k\x12\x05\x0a\x01x\x18\x07",  # two in one
        b"\x0a\x01k\x12\x03\x0a\x01x\x1a\x01z", b"\x0a\x01k\x12\x05\x7a\x03abc",  # fields that nobody knows
        b"\x08\x05\x12\x03\x0a\x01x", b"\x0a\x01k\x10\x05", b"\x0a\x01k\x15abcd", b"\x0a\x01k\x12\x02\x08\x05",  # other wire types
        b"\x0a\x81\x00k\x12\x03\x0a\x01x", b"\x0a\x01k\x12\x83\x00\x0a\x01x",  # lengths written too long
        b"\x0a\x01\xff\x12\x03\x0a\x01x", b"\x0a\x01k\x12\x03\x0a\x01\xff", b"\x0a\x01k\x12\x05\x0a\x03\xed\xa0\x80",  # no UTF-8
        b"\x0a\x81\x01" + b"k" * 128 + b"\x12\x12\x0a\x10\x01\x7a\x06xxxxxx\x7a\x05abcde",  # as if a name of 129 ended a byte sooner
        b"\x0b\x0c", b"\x0a\x01k\x13\x14", b"\x00\x00", b"\x0a\xff\xff\xff\xff\x0f",
    ],
)  # fmt: skip
def test_what_no_sender_should_write(raw: bytes) -> None:
    assert from_bytes(raw) == by_protobuf(raw)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_bytes_are(seed: int) -> None:
    """Cut short, with bytes changed, put in and left out."""
    chance = random.Random(seed)
    for _ in range(500):
        value = AnyValue(string_value="é"[: chance.randrange(2)] + "x" * chance.randrange(130))
        raw = bytearray(KeyValue(key="k" * chance.randrange(20), value=value).SerializeToString())
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(raw) + 1)
            raw[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        assert from_bytes(bytes(raw)) == by_protobuf(bytes(raw)), bytes(raw)


@pytest.mark.parametrize(
    "values",
    [
        ["a"] * 80,
        *([one.format(i) for i in range(80)] for one in ("{}", "{}é", "{}\n")),
        ["x" * i * 2 for i in range(80)],
    ],
)
def test_a_column_is_what_each_of_its_values_is(values: list[str]) -> None:
    raws = [[KeyValue(key=name, value=AnyValue(string_value=v)).SerializeToString() for name in "ab"] for v in values]
    assert columns(raws) == {"a": values, "b": values}
    raws[40].reverse()
    with pytest.raises(Unlike):
        columns(raws)


def test_of_a_name_that_comes_twice_the_last_one_counts() -> None:
    raws = [[KeyValue(key="a", value=AnyValue(string_value=v)).SerializeToString() for v in "xy"] for _ in range(80)]
    assert columns(raws) == {"a": ["y"] * 80}


def request_of(records: list[dict[str, Any]], at_ns: int) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    made = request.resource_logs.add().scope_logs.add().log_records
    for number, said in enumerate(records):
        record = made.add(time_unix_nano=at_ns, trace_id=bytes([number % 3]) * (16 if number % 5 else 3))
        for name, value in said.items():
            record.attributes.append(KeyValue(key=name, value=value if isinstance(value, AnyValue) else text(value)))
    return request


def text(value: Any) -> AnyValue:
    return AnyValue(string_value=str(value).replace("\ud800", "?"))


def as_protobuf_reads(request: ExportLogsServiceRequest, made: Normaliser) -> tuple[list[Any], list[LogRecord]]:
    rows, rejected = [], []
    for record in request.resource_logs[0].scope_logs[0].log_records:
        said = {one.key: by_protobuf(one.SerializeToString())[1] for one in record.attributes}
        try:
            rows.append(otlp._row(record, said, made))
        except (ValueError, KeyError, OverflowError):
            rejected.append(record)
    return rows, rejected


@pytest.mark.parametrize("name", GOOD)
def test_each_strange_value(name: str) -> None:
    for value in [*STRANGE, *VALUES[1:]]:
        for count in (1, COUNT):
            records = [GOOD | {name: value}] * count + [GOOD] * (COUNT - count)
            check(request_of(records, time.time_ns()), make())


def check(request: ExportLogsServiceRequest, made: Normaliser) -> None:
    batch = otlp.decode(request.SerializeToString(), "application/x-protobuf", made)
    rows, rejected = as_protobuf_reads(request, made)
    assert sorted(map(repr, batch.rows)) == sorted(map(repr, rows))
    assert sorted(str(record) for _, record in batch.rejected) == sorted(map(str, rejected))


@pytest.mark.parametrize("block", range(10))
def test_a_batch_is_what_protobuf_reads_of_each_record(block: int) -> None:
    """Plain ones, of which some values are strange."""
    for seed in range(block * 150, block * 150 + 150):
        chance, made = random.Random(seed), make()
        records: list[dict[str, Any]] = [dict(GOOD) for _ in range(COUNT)]
        for _ in range(chance.randrange(5)):
            name, value = chance.choice(list(GOOD)), chance.choice([*STRANGE, *VALUES[1:]])
            for said in records if chance.random() < 0.5 else chance.sample(records, 3):
                if chance.random() < 0.2:
                    said.pop(name, None)
                else:
                    said[name] = value
        at_ns = chance.choice((0, 1, time.time_ns(), time.time_ns(), time.time_ns(), 2**64 - 1))
        check(request_of(records, at_ns), made)


def test_plain_ones_are_made_together() -> None:
    request = request_class()()
    for said in (GOOD, {n: v for n, v in GOOD.items() if n != "http.route"}):
        request.ParseFromString(request_of([said] * COUNT, time.time_ns()).SerializeToString())
        assert len(otlp_alike.rows(request.resource_logs[0].scope_logs[0].log_records, make())) == COUNT


def test_an_attribute_that_is_cut_short_fails_the_batch_as_all_of_protobuf_does() -> None:
    body = request_of([GOOD] * COUNT, time.time_ns()).SerializeToString()
    broken = body.replace(b"\x12\x08\x0a\x06orders", b"\x12\x08\x0a\x16orders", 1)
    assert broken != body
    with pytest.raises(DecodeError):
        ExportLogsServiceRequest.FromString(broken)
    with pytest.raises(Undecodable):
        otlp.decode(broken, "application/x-protobuf", make())


@pytest.mark.parametrize("attributes", [b"\x32\x00" * 2_000_000, b"\x32\x02\x12\x00" * 1_000_000])
def test_a_record_of_empty_attributes_costs_no_minute(attributes: bytes) -> None:
    def field(tag: int, inner: bytes) -> bytes:
        size, varint = len(inner), b""
        while size > 127:
            varint, size = varint + bytes([size & 127 | 128]), size >> 7
        return bytes([tag]) + varint + bytes([size]) + inner

    began = time.process_time()
    batch = otlp.decode(field(0x0A, field(0x12, field(0x12, attributes))), "application/x-protobuf", make())
    assert (batch.rows, len(batch.rejected)) == ([], 1)
    assert time.process_time() - began < 5
