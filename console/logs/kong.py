"""What Kong's `http-log` plugin sends: an object for a batch of one, an array for more. Milliseconds throughout."""

from __future__ import annotations

from .bodies import Batch
from .decoded import of_objects
from .fields import Bad, Normaliser, Said, first, header, part, sent, us
from .writer import Row

MS = 1000


def decode(body: bytes, make: Normaliser) -> Batch:
    return of_objects(body, lambda said: row(said, make))


def row(said: Said, make: Normaliser) -> Row:
    request, response, latencies = part(said, "request"), part(said, "response"), part(said, "latencies")
    if not request and "status" not in response:
        raise Bad("this is no record of Kong's http-log")
    headers, consumer = part(request, "headers"), part(said, "consumer")
    asked = first(said, "upstream_status") is not None or bool(said.get("tries"))
    return make.row(
        at=said.get("started_at"),
        status=response.get("status"),
        method=request.get("method"),
        path=first(request, "uri", "url"),
        duration_us=us(latencies.get("request"), "latencies.request", MS),
        # Kong says -1 or leaves it out where no backend was asked
        backend_us=us(latencies.get("proxy"), "latencies.proxy", MS, missing=-1) if asked else -1,
        request_bytes=request.get("size"),
        response_bytes=response.get("size"),
        request_id=first(request, "id") or header(headers, "x-request-id"),
        client_address=said.get("client_ip"),
        user_agent=header(headers, "user-agent"),
        client_id=first(consumer, "custom_id", "username", "id"),
        trace_id=part(said, "trace_id").get("w3c") or header(headers, "traceparent"),
        credential="key" if part(said, "authenticated_entity") else "",
        bodies=lambda: (sent(request), sent(response)),
    )
