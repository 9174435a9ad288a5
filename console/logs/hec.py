"""Splunk's HTTP Event Collector, as Tyk Pump, APISIX, Vector and Fluent Bit speak it: events one after the other."""

from __future__ import annotations

from . import flat
from .bodies import Batch
from .decoded import of_objects, unwrapped
from .fields import Bad, Normaliser, Said, first, header, part, us
from .writer import Row

MS = 1000


def decode(body: bytes, make: Normaliser) -> Batch:
    return of_objects(body, lambda said: row(said, make))


def row(said: Said, make: Normaliser) -> Row:
    event = unwrapped(said.get("event"))
    if event is None:
        raise Bad("the event is no JSON object")
    at = said.get("time")
    if "response_code" in event and "api_id" in event:
        return _of_tyk(event, at, make)
    if "response_status" in event and "request_method" in event:
        return _of_apisix(event, at, make)
    return flat.row(event, make, at)


def _of_tyk(event: Said, at: object, make: Normaliser) -> Row:
    """Of Tyk's analytics record. ``api_key`` is the caller's and is not looked at."""
    latency = part(event, "latency")
    return make.row(
        at=first(event, "time_stamp", "timestamp") or at,  # the other has no fraction of a second
        status=event["response_code"],
        method=event.get("method"),
        path=first(event, "raw_path", "path"),
        duration_us=us(first(event, "request_time") or latency.get("total"), "request_time", MS),
        backend_us=us(latency.get("upstream"), "latency.upstream", MS, missing=-1),
        request_bytes=event.get("content_length"),
        client_address=event.get("ip_address"),
        user_agent=event.get("user_agent"),
        client_id=first(event, "oauth_id", "alias"),
    )


def _of_apisix(event: Said, at: object, make: Normaliser) -> Row:
    """Of APISIX's `splunk-hec-logging`, whose time is that of the answer."""
    headers = part(event, "request_headers")
    return make.row(
        at=at,
        status=event["response_status"],
        method=event["request_method"],
        path=event.get("request_url"),
        duration_us=us(event.get("latency"), "latency", MS),
        request_bytes=event.get("request_size"),
        response_bytes=event.get("response_size"),
        request_id=header(part(event, "response_headers"), "x-request-id") or header(headers, "x-request-id"),
        client_address=event.get("client_ip"),
        user_agent=header(headers, "user-agent"),
        bodies=lambda: flat.bodies(event),
    )
