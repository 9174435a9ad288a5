"""Any other JSON record, by the names that web servers and shippers use: nginx, Caddy, Envoy, OpenTelemetry and ours.

Fluent Bit, Vector, syslog-ng and the like send one of these, or wrap it as a line of text; both are read.
"""

from __future__ import annotations

from typing import Any

from . import alike
from .bodies import Batch
from .call_bodies import Sent
from .decoded import line_within, of_objects
from .fields import Bad, Normaliser, Said, first, header, number, part, sent_as, text, us
from .writer import Row

S, MS = 1_000_000, 1000
MOST_WRAPPERS = 3  # one shipper behind another
TIMES = (
    "start_time",
    "ts",
    "time_iso8601",
    "msec",
    "time_local",
    "timeUnixNano",
    "time",
    "@timestamp",
    "timestamp",
    "date",
)
STATUSES = ("status", "http.response.status_code", "status_code", "response_code")
METHODS = ("method", "http.request.method", "request_method")
PATHS = ("path", "url.path", "request_uri", "uri", "url", "request_url")
ADDRESSES = ("client_address", "client.address", "client_ip", "remote_addr", "remote_ip", "downstream_remote_address")
AGENTS = ("user_agent", "user_agent.original", "http_user_agent", "agent")
IDS = ("request_id", "gatewright.request_id", "x_request_id")
TRACES = ("trace_id", "traceId", "trace.id", "traceparent", "gatewright.traceparent", "http_traceparent")
CLIENTS = ("client_id", "gatewright.client_id", "consumer", "remote_user")
SENT = ("response_bytes", "http.response.body.size", "bytes_sent", "body_bytes_sent", "size")
RECEIVED = ("request_bytes", "http.request.body.size", "request_length", "bytes_received", "bytes_read")
VERSIONS = ("gatewright.version",)
REQUEST_BODIES = ("request_body", "http.request.body.content", "http.request.body", "request.body", "req_body")
RESPONSE_BODIES = ("response_body", "http.response.body.content", "http.response.body", "response.body", "resp_body")
BODIES = {*REQUEST_BODIES, *RESPONSE_BODIES}
REQUEST_TYPES = ("request_content_type", "http.request.header.content-type", "http_content_type", "content_type")
RESPONSE_TYPES = ("response_content_type", "http.response.header.content-type", "sent_http_content_type")
# what one of it is in microseconds
DURATIONS = (
    ("duration_us", 1), ("gatewright.duration_us", 1), ("duration_ms", MS), ("latency_ms", MS), ("duration_s", S),
    ("http.server.request.duration", S), ("request_time", S),
)  # fmt: skip
BACKENDS = (
    ("backend_us", 1), ("gatewright.backend_us", 1), ("backend_ms", MS), ("upstream_service_time", MS),
    ("upstream_response_time", S),
)  # fmt: skip


SAID = {
    "at": TIMES, "status": STATUSES, "method": METHODS, "path": PATHS, "request_bytes": RECEIVED, "response_bytes": SENT,
    "request_id": IDS, "client_address": ADDRESSES, "user_agent": AGENTS, "client_id": CLIENTS,
    "credential": ("gatewright.credential",), "jti": ("gatewright.jti",),
    "reason": ("gatewright.reason", "response_code_details"), "trace_id": TRACES,
}  # fmt: skip
ODD = {"attributes"}  # may hold others
FEW = 8  # not worth it


def decode(body: bytes, make: Normaliser) -> Batch:
    return of_objects(body, lambda said: row(said, make), lambda names, objects: rows(set(names), objects, make))


def rows(names: set[str], objects: list[Said], make: Normaliser) -> list[Row] | None:
    """What `row` makes of each, for plain ones that name the same values; None when one of them needs a closer look."""
    if len(objects) < FEW or names & ODD or (make.rules and names & BODIES):
        return None
    try:
        found = {name: _column(objects, [n for n in known if n in names]) for name, known in SAID.items()}
        if "request" in names:
            found |= _of_request_lines(objects, found)
        found |= {name: [value or "" for value in found[name]] for name in ("method", "path") if name in found}
        found["duration_us"] = _lengths(objects, names, DURATIONS, 0)
        found["backend_us"] = _lengths(objects, names, BACKENDS, -1)
        found["version_id"] = alike.numbers(_column(objects, [n for n in VERSIONS if n in names]), "gatewright.version")
        return alike.rows(make, {name: column for name, column in found.items() if column}, len(objects))
    except (ValueError, KeyError, OverflowError):
        return None


def _of_request_lines(objects: list[Said], found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Methods and paths; where a record has one under a name of its own, that."""
    if any(isinstance(said["request"], dict) for said in objects):
        raise Bad("Caddy's holds others")
    lines = zip(*map(_request_line, objects), strict=True)
    return {
        name: [
            ("" if known == "-" else known) or read for known, read in zip(found[name] or column, column, strict=True)
        ]
        for name, column in zip(("method", "path"), lines, strict=True)
    }


def _column(objects: list[Said], names: list[str]) -> list[Any]:
    """Of the first of these names; nothing without any."""
    if not names:
        return []
    column = [said[names[0]] for said in objects]
    if len(names) > 1 and any(empty in column for empty in (None, "", "-")):
        raise Bad("another name says what this one does not")
    return column


def _lengths(objects: list[Said], names: set[str], known: tuple[tuple[str, int], ...], missing: int) -> list[int]:
    there = [(name, factor) for name, factor in known if name in names]
    if not missing and {"response_code", "duration"} <= names:  # see `_of_envoy`
        there.append(("duration", MS))
    if not there:
        return []
    name, factor = there[0]
    return alike.lengths(_column(objects, [n for n, _ in there]), name, factor, missing)


def row(said: Said, make: Normaliser, at: Any = None) -> Row:
    """``at``: of the shipper, for a record that does not say when."""
    for _ in range(MOST_WRAPPERS):
        if first(said, *STATUSES) is not None or (line := line_within(said)) is None:
            break
        said, at = line, first(said, *TIMES) or at
    at = first(said, *TIMES) or at
    if isinstance(said.get("request"), dict):
        return _of_caddy(said, make, at)
    if isinstance(said.get("attributes"), dict):
        said = said["attributes"] | said
    method, path = _request_line(said)
    return make.row(
        at=at,
        status=first(said, *STATUSES),
        method=first(said, *METHODS) or method,
        path=first(said, *PATHS) or path,
        duration_us=_length(said, DURATIONS, 0) or _of_envoy(said),
        backend_us=_length(said, BACKENDS, -1),
        request_bytes=first(said, *RECEIVED),
        response_bytes=first(said, *SENT),
        request_id=first(said, *IDS),
        client_address=first(said, *ADDRESSES),
        user_agent=first(said, *AGENTS),
        client_id=first(said, *CLIENTS),
        credential=first(said, "gatewright.credential"),
        jti=first(said, "gatewright.jti"),
        reason=first(said, "gatewright.reason", "response_code_details"),
        trace_id=first(said, *TRACES),
        version_id=number(first(said, *VERSIONS), "gatewright.version"),
        bodies=lambda: bodies(said),
    )


def bodies(said: Said) -> tuple[Sent | None, Sent | None]:
    return (
        sent_as(first(said, *REQUEST_BODIES), first(said, *REQUEST_TYPES)),
        sent_as(first(said, *RESPONSE_BODIES), first(said, *RESPONSE_TYPES)),
    )


def _of_caddy(said: Said, make: Normaliser, at: Any) -> Row:
    request = part(said, "request")
    headers = part(request, "headers")
    return make.row(
        at=at,
        status=said.get("status"),
        method=request.get("method"),
        path=request.get("uri"),
        duration_us=us(said.get("duration"), "duration", S),
        request_bytes=said.get("bytes_read"),
        response_bytes=said.get("size"),
        request_id=header(part(said, "resp_headers"), "X-Request-Id") or header(headers, "X-Request-Id"),
        client_address=first(request, "client_ip", "remote_ip"),
        user_agent=header(headers, "User-Agent"),
        client_id=said.get("user_id"),
        trace_id=first(said, "traceID") or header(headers, "Traceparent"),
    )


def _request_line(said: Said) -> tuple[str, str]:
    """Of nginx's `$request`."""
    words = text(said.get("request"), 8000).split(" ")
    return (words[0], words[1]) if len(words) == 3 else ("", "")


def _length(said: Said, names: tuple[tuple[str, int], ...], missing: int) -> int:
    for name, factor in names:
        if first(said, name) is not None:
            return us(said[name], name, factor, missing)
    return missing


def _of_envoy(said: Said) -> int:
    """A bare `duration` has no unit; only Envoy's usual JSON log is known to mean milliseconds."""
    return us(said.get("duration"), "duration", MS) if "response_code" in said else 0
