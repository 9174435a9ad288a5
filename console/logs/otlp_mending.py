"""OTLP with texts that are no UTF-8, as a caller's User-Agent may be: protobuf refuses all of it, and all would be lost.

So it is read once more with bytes where texts should be; those that are none are mended, and nothing else is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2

FILES = (common_pb2, resource_pb2, logs_pb2, logs_service_pb2)  # each after those that it imports
REQUEST = logs_service_pb2.ExportLogsServiceRequest.DESCRIPTOR


def mended(body: bytes) -> bytes:
    """The same request with every text in UTF-8. `DecodeError` when that is not what is wrong."""
    request = _in_bytes()()
    request.ParseFromString(body)
    _mend(request, REQUEST)
    whole: bytes = request.SerializeToString()
    return whole


def made_of(change: Callable[[DescriptorProto], None]) -> type[Message]:
    """The class of requests, with each message of OTLP changed."""
    pool = DescriptorPool()
    for module in FILES:
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            change(message)
        pool.Add(file)
    made: type[Message] = GetMessageClass(pool.FindMessageTypeByName(REQUEST.full_name))
    return made


@cache
def _in_bytes() -> type[Message]:
    return made_of(_change)


def _change(message: DescriptorProto) -> None:
    for field in message.field:
        if field.type == FieldDescriptorProto.TYPE_STRING:
            field.type = FieldDescriptorProto.TYPE_BYTES
    for inner in message.nested_type:
        _change(inner)


def _mend(message: Any, strict: Any) -> None:
    for field, value in message.ListFields():
        meant = strict.fields_by_name[field.name]
        if meant.type == FieldDescriptor.TYPE_MESSAGE:
            for one in _each(value):
                _mend(one, meant.message_type)
        elif meant.type == FieldDescriptor.TYPE_STRING:
            if isinstance(value, bytes):
                setattr(message, field.name, _utf8(value))
            else:
                value[:] = [_utf8(one) for one in value]


def _each(value: Any) -> Iterable[Any]:
    return (value,) if isinstance(value, Message) else value


def _utf8(text: bytes) -> bytes:
    return text.decode(errors="replace").encode()
