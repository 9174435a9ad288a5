"""Where gateway nodes push their request records: OTLP/HTTP, answered after they are committed."""

from __future__ import annotations

import hashlib

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from ..gateway.endpoints import asking_node
from ..runtime import runtime
from ..web.machine import Answer, Asked, Route, problem_answer
from ..web.metrics import RECORDS
from .otlp import LARGEST_BYTES, decode, inflate
from .writer import Overloaded


def post_logs(asked: Asked) -> Answer:
    """200 once every record is durable; 503 with Retry-After when there is no room, so that the sender comes back."""
    node_id = asking_node(asked)
    plain = inflate(asked.body(LARGEST_BYTES), asked.header("Content-Encoding").lower())
    batch = decode(plain, asked.content_type, node_id)
    try:
        if batch.rows:
            runtime().writer.write(hashlib.sha256(str(node_id).encode() + plain).hexdigest(), batch.rows)
    except Overloaded:
        RECORDS.labels("delayed").inc(len(batch.rows))
        return problem_answer(
            503, "Busy", "Too many batches wait to be written. Send this one again.", ("Retry-After", "1")
        )
    RECORDS.labels("stored").inc(len(batch.rows))
    RECORDS.labels("rejected").inc(batch.rejected)
    return _accepted(batch.rejected, asked.content_type)


def _accepted(rejected: int, content_type: str) -> Answer:
    if content_type.startswith("application/json"):
        body = b'{"partialSuccess":{"rejectedLogRecords":"%d"}}' % rejected if rejected else b"{}"
        return Answer(200, body, [("Content-Type", "application/json")])
    response = ExportLogsServiceResponse()
    if rejected:
        response.partial_success.rejected_log_records = rejected
        response.partial_success.error_message = "records without a status, or with an impossible time"
    return Answer(200, response.SerializeToString(), [("Content-Type", "application/x-protobuf")])


ROUTES = [Route("POST", "/v1/logs", "node", post_logs)]
