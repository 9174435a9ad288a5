"""Where gateways and shippers push their request records: answered with 200 when they are committed, never before.

What every sender of the formats retries, and what not, decides the answers: a bad record never fails its batch, too much
at once is 503 with Retry-After before any work, so is a database that takes nothing now (by OTLP's rules what is answered
with 500 is not sent again), and the same batch again is stored once.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import orjson
import structlog
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from ..apis.operations import body_rules, operation_finder
from ..apis.queries import version_finder
from ..db import AWAY
from ..gateway.endpoints import pushing_node
from ..runtime import runtime
from ..web.machine import Answer, Asked, Route, problem_answer
from ..web.metrics import RECORDS
from . import apisix, flat, hec, kong, otlp
from .bodies import LARGEST_BYTES, Batch, Undecodable, inflate
from .completeness import MOST_MINUTES, note_served
from .countries import country_finder
from .fields import LARGEST_NUMBER, Normaliser
from .letters import letters_of
from .writer import NotNow

Decode = Callable[[bytes, Normaliser], Batch]
LONGEST_NAME = 200
JSON = [("Content-Type", "application/json")]
log = structlog.get_logger("logs")


def post_logs(asked: Asked) -> Answer:
    def decode(body: bytes, make: Normaliser) -> Batch:
        return otlp.decode(body, asked.content_type, make)

    batch = _take(asked, "otlp", decode)
    return _accepted(len(batch.rejected), asked.content_type) if batch else _busy()


def _accepted(rejected: int, content_type: str) -> Answer:
    if content_type.startswith("application/json"):
        body = b'{"partialSuccess":{"rejectedLogRecords":"%d"}}' % rejected if rejected else b"{}"
        return Answer(200, body, JSON)
    response = ExportLogsServiceResponse()
    if rejected:
        response.partial_success.rejected_log_records = rejected
        response.partial_success.error_message = "records without a status, or with an impossible time"
    return Answer(200, response.SerializeToString(), [("Content-Type", "application/x-protobuf")])


def _json_endpoint(form: str, decode: Decode) -> Callable[[Asked], Answer]:
    def endpoint(asked: Asked) -> Answer:
        batch = _take(asked, form, decode)
        if batch is None:
            return _busy()
        return Answer(200, orjson.dumps({"stored": len(batch.rows), "rejected": len(batch.rejected)}), JSON)

    return endpoint


def post_hec(asked: Asked) -> Answer:
    batch = _take(asked, "hec", hec.decode, "splunk")
    return Answer(200, b'{"text":"Success","code":0}', JSON) if batch else _busy()


def hec_health(_asked: Asked) -> Answer:
    """Vector asks before it sends."""
    return Answer(200, b'{"text":"HEC is healthy","code":17}', JSON)


def _take(asked: Asked, form: str, decode: Decode, scheme: str = "") -> Batch | None:
    """The batch, committed; None when it cannot be now."""
    try:
        batch = _written(asked, form, decode, scheme)
    except (NotNow, *AWAY) as problem:
        if not isinstance(problem, NotNow):  # which the writer tells of
            log.error("logs.main_database_away", error=str(problem)[:300])
        RECORDS.labels("delayed").inc()
        return None
    RECORDS.labels("stored").inc(len(batch.rows))
    RECORDS.labels("rejected").inc(len(batch.rejected))
    return batch


def _written(asked: Asked, form: str, decode: Decode, scheme: str) -> Batch:
    node_id, writer = pushing_node(asked, scheme), runtime().writer
    with writer.place():
        batch, digest = _read(asked, node_id, form, decode)
        if batch.rows or batch.rejected or batch.uncounted:
            writer.write(digest, batch.rows, letters_of(batch.rejected, node_id, form), batch.uncounted)
    return batch


def _read(asked: Asked, node_id: int, form: str, decode: Decode) -> tuple[Batch, str]:
    """A body of which nothing can be read is refused, and still seen in the console: senders throw it away."""
    body = asked.body(LARGEST_BYTES)
    try:
        make = Normaliser(node_id, version_finder(), operation_finder(), country_finder(), body_rules())
        with runtime().writer.decoding:
            plain = inflate(body, asked.header("Content-Encoding").strip().lower())
            return decode(plain, make), _name_of(asked, node_id, plain)
    except Undecodable as problem:
        told = letters_of([(problem.message, f"a body of {len(body)} bytes, {asked.content_type[:80]}")], node_id, form)
        runtime().writer.write(_digest(node_id, b"refused " + body), [], told)
        RECORDS.labels("rejected").inc()
        raise


def _name_of(asked: Asked, node_id: int, plain: bytes) -> str:
    """What a repeated batch has in common with the first one: the sender's word for it, else every byte."""
    said = asked.header("Idempotency-Key")[:LONGEST_NAME]
    return _digest(node_id, b"key " + asked.environ["PATH_INFO"].encode() + said.encode() if said else plain)


def _digest(node_id: int, what: bytes) -> str:
    return hashlib.sha256(str(node_id).encode() + what).hexdigest()


def post_served(asked: Asked) -> Answer:
    """``{"minutes": {"29399040": 1204}}``: how many requests the node answered in which minute since 1970."""
    try:
        note_served(runtime().logs, pushing_node(asked), _minutes(asked))
    except AWAY:
        return _busy()
    return Answer(200, b"{}", JSON)


def _minutes(asked: Asked) -> dict[int, int]:
    try:
        said = orjson.loads(asked.body())["minutes"]
        minutes = {int(minute): count for minute, count in said.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Undecodable('Send an object such as {"minutes": {"29399040": 1204}}.') from None
    latest = time.time() // 60 + 60
    if len(minutes) > MOST_MINUTES or not all(
        0 <= minute <= latest and type(count) is int and 0 <= count <= LARGEST_NUMBER
        for minute, count in minutes.items()
    ):
        raise Undecodable(f"Send at most {MOST_MINUTES} minutes since 1970, not of the future, with whole numbers.")
    return minutes


def _busy() -> Answer:
    return problem_answer(
        503, "Busy", "This batch cannot be written now: too many wait, or a database does not answer. Send it again.",
        ("Retry-After", "1"),
    )  # fmt: skip


ROUTES = [
    Route("POST", "/v1/logs", "node", post_logs),
    Route("POST", "/ingest/served", "node", post_served),
    Route("POST", "/ingest/kong", "node", _json_endpoint("kong", kong.decode)),
    Route("POST", "/ingest/apisix", "node", _json_endpoint("apisix", apisix.decode)),
    Route("POST", "/ingest/json", "node", _json_endpoint("json", flat.decode)),
    Route("POST", "/ingest/hec", "node", post_hec),
    # what HEC senders put behind the address themselves
    Route("POST", "/services/collector", "node", post_hec),
    Route("POST", "/services/collector/event", "node", post_hec),
    Route("POST", "/services/collector/event/1.0", "node", post_hec),
    Route("GET", "/services/collector/health", "nobody", hec_health),
    Route("GET", "/services/collector/health/1.0", "nobody", hec_health),
]
