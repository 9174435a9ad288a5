"""OTLP's attributes as they are on the wire: to have protobuf make two objects of each takes longer than all else of a record.

So a record's attributes are read as bytes (`KeyValue` of OTLP 1.x, encoded as protobuf says), and what is a short text, as
nearly all are, is cut out of them. Whatever else there may be is left to protobuf, so both ways read the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from .otlp_mending import made_of

KEY, VALUE, TEXT = 0x0A, 0x12, 0x0A  # fields 1 and 2 of `KeyValue`, 1 of `AnyValue`, each with a length
LONGEST_NAME, LONGEST = 127, 125  # whose lengths, and those around them, take a byte
HEADS = [bytes((VALUE, size + 2, TEXT, size)) for size in range(LONGEST + 1)]  # of a value that is a text of this size
HEAD = 4
SAMPLE = 64  # of a column, of which half are different: then all are looked at
Pair = tuple[str, str]


class Unlike(Exception):
    """The records do not name the same values in the same order."""


@cache
def request_class() -> type[Message]:
    """`ExportLogsServiceRequest`, but for the attributes of its records: each is the bytes of a `KeyValue`."""
    return made_of(_change)


def _change(message: DescriptorProto) -> None:
    if message.name == LogRecord.DESCRIPTOR.name:
        (field,) = (field for field in message.field if field.name == "attributes")
        field.type = FieldDescriptorProto.TYPE_BYTES
        field.ClearField("type_name")


def whole(record: Any) -> LogRecord:
    """A record of that class as OTLP has it."""
    found: LogRecord = LogRecord.FromString(record.SerializeToString())
    return found


def pair(raw: bytes) -> Pair:
    """Name and value, as a text. `DecodeError` or `UnicodeDecodeError` for what is none."""
    if len(raw) > 1 and raw[0] == KEY and raw[1] <= LONGEST_NAME:
        at = 2 + raw[1]
        size = len(raw) - at - HEAD
        if 0 <= size <= LONGEST and raw.startswith(HEADS[size], at):
            return raw[2:at].decode(), raw[at + HEAD :].decode()
    said = KeyValue.FromString(raw)
    kind = said.value.WhichOneof("value")
    return said.key, str(getattr(said.value, kind)) if kind else ""


def columns(records: Sequence[Sequence[bytes]]) -> dict[str, list[str]]:
    """The values by name, of attributes of records, each with as many. `Unlike`, or what `pair` raises."""
    return dict(map(_column, zip(*records, strict=True)))  # of those with the same name the last one counts, as ever


def _column(raws: tuple[bytes, ...]) -> tuple[str, list[str]]:
    name, _ = pair(raws[0])
    if len(set(raws[:SAMPLE])) > SAMPLE // 2 and (found := _texts(raws, name)) is not None:
        return name, found
    pairs = {raw: pair(raw) for raw in set(raws)}
    if any(key != name for key, _ in pairs.values()):
        raise Unlike
    values = {raw: value for raw, (_, value) in pairs.items()}
    return name, [values[raw] for raw in raws]


def _texts(raws: tuple[bytes, ...], name: str) -> list[str] | None:
    """When all are short texts with this name; else None."""
    key = name.encode()
    start = bytes((KEY, len(key) & 0xFF)) + key
    at = len(start) + HEAD
    sizes = set(map(len, raws))
    if len(key) > LONGEST_NAME or min(sizes) < at or max(sizes) > at + LONGEST:
        return None
    heads = {size: start + HEADS[size - at] for size in sizes}
    if not all(map(bytes.startswith, raws, map(heads.__getitem__, map(len, raws)))):
        return None
    found = b"\n".join([raw[at:] for raw in raws]).decode().split("\n")
    return found if len(found) == len(raws) else None
