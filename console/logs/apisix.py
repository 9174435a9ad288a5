"""What APISIX's `http-logger` sends: an array, one object, or an object a line as text/plain. Milliseconds throughout.

With a `log_format` of its own the record is flat; then it is read as any other JSON record.
"""

from __future__ import annotations

from . import flat
from .bodies import Batch
from .decoded import of_objects
from .fields import Normaliser, Said, first, header, part, sent, us
from .writer import Row

MS = 1000


def decode(body: bytes, make: Normaliser) -> Batch:
    return of_objects(body, lambda said: row(said, make))


def row(said: Said, make: Normaliser) -> Row:
    request, response = part(said, "request"), part(said, "response")
    if not request and not response:
        return flat.row(said, make)
    headers = part(request, "headers")
    return make.row(
        at=said.get("start_time"),
        status=response.get("status"),
        method=request.get("method"),
        path=first(request, "uri", "url"),
        duration_us=us(said.get("latency"), "latency", MS),
        backend_us=us(said.get("upstream_latency"), "upstream_latency", MS, missing=-1),
        request_bytes=request.get("size"),
        response_bytes=response.get("size"),
        request_id=header(part(response, "headers"), "x-request-id") or header(headers, "x-request-id"),
        client_address=said.get("client_ip"),
        user_agent=header(headers, "user-agent"),
        client_id=part(said, "consumer").get("username"),
        trace_id=header(headers, "traceparent"),
        bodies=lambda: (sent(request), sent(response)),
    )
