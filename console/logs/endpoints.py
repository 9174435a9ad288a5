"""Where gateways and shippers push their request records: answered with 200 when they are committed, never before.

What every sender of the formats retries, and what not, decides the answers: a bad record never fails its batch, too much
at once is 503 with Retry-After before any work, so is a database that takes nothing now (by OTLP's rules what is answered
with 500 is not sent again), and the same batch again is stored once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict

import orjson
import structlog
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from ..db import AWAY
from ..gateway.endpoints import pushing_node
from ..runtime import runtime
from ..web.machine import Answer, Asked, Route, problem_answer
from ..web.metrics import RECORDS
from .bodies import LARGEST_BYTES, Undecodable
from .completeness import MOST_MINUTES, note_served
from .fields import LARGEST_NUMBER
from .intake import Pushed, Taken, take
from .writer import NotNow

JSON = [("Content-Type", "application/json")]
log = structlog.get_logger("logs")


def post_logs(asked: Asked) -> Answer:
    taken = _take(asked, "otlp")
    return _accepted(taken.rejected, asked.content_type) if taken else _busy()


def _accepted(rejected: int, content_type: str) -> Answer:
    if content_type.startswith("application/json"):
        body = b'{"partialSuccess":{"rejectedLogRecords":"%d"}}' % rejected if rejected else b"{}"
        return Answer(200, body, JSON)
    response = ExportLogsServiceResponse()
    if rejected:
        response.partial_success.rejected_log_records = rejected
        response.partial_success.error_message = "records without a status, or with an impossible time"
    return Answer(200, response.SerializeToString(), [("Content-Type", "application/x-protobuf")])


def _json_endpoint(form: str) -> Callable[[Asked], Answer]:
    def endpoint(asked: Asked) -> Answer:
        taken = _take(asked, form)
        return Answer(200, orjson.dumps(asdict(taken)), JSON) if taken else _busy()

    return endpoint


def post_hec(asked: Asked) -> Answer:
    taken = _take(asked, "hec", "splunk")
    return Answer(200, b'{"text":"Success","code":0}', JSON) if taken else _busy()


def hec_health(_asked: Asked) -> Answer:
    """Vector asks before it sends."""
    return Answer(200, b'{"text":"HEC is healthy","code":17}', JSON)


def _take(asked: Asked, form: str, scheme: str = "") -> Taken | None:
    """What was committed; None when it cannot be now."""
    try:
        taken = _taken(asked, form, scheme)
    except (NotNow, *AWAY) as problem:
        if not isinstance(problem, NotNow):  # which whoever raised it tells of
            log.error("logs.main_database_away", error=str(problem)[:300])
        RECORDS.labels("delayed").inc()
        return None
    RECORDS.labels("stored").inc(taken.stored)
    RECORDS.labels("rejected").inc(taken.rejected)
    return taken


def _taken(asked: Asked, form: str, scheme: str) -> Taken:
    node_id, me = pushing_node(asked, scheme), runtime()
    path, encoding = str(asked.environ["PATH_INFO"]), asked.header("Content-Encoding").strip().lower()
    pushed = Pushed(form, node_id, path, asked.content_type, encoding, asked.header("Idempotency-Key"))
    with me.writer.place():
        body = asked.body(LARGEST_BYTES)
        try:
            return me.beside.take(pushed, body) if me.beside else take(pushed, body)
        except Undecodable:
            RECORDS.labels("rejected").inc()
            raise


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
    Route("POST", "/ingest/kong", "node", _json_endpoint("kong")),
    Route("POST", "/ingest/apisix", "node", _json_endpoint("apisix")),
    Route("POST", "/ingest/json", "node", _json_endpoint("json")),
    Route("POST", "/ingest/hec", "node", post_hec),
    # what HEC senders put behind the address themselves
    Route("POST", "/services/collector", "node", post_hec),
    Route("POST", "/services/collector/event", "node", post_hec),
    Route("POST", "/services/collector/event/1.0", "node", post_hec),
    Route("GET", "/services/collector/health", "nobody", hec_health),
    Route("GET", "/services/collector/health/1.0", "nobody", hec_health),
]
