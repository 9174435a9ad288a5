"""What surrounds every page request: its number, its log line, its transaction, its headers."""

from __future__ import annotations

import re
import secrets
import time

import structlog
from flask import Flask, Response, g, request

from .. import db as database
from ..audit.actions import Origin, origin
from ..runtime import runtime
from . import session
from .access import SAFE
from .metrics import REQUESTS, SECONDS

log = structlog.get_logger("web")
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
CSP = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; img-src 'self'"
)


def install(app: Flask) -> None:
    app.before_request(begin)
    app.after_request(add_headers)  # runs after `finish`: Flask takes them from the last to the first
    app.after_request(finish)
    app.session_interface = session.ServerSessions()


def begin() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    g.started = time.perf_counter()
    origin.set(Origin(request.remote_addr or "", g.request_id, session.reference()))
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    if request.method in SAFE:
        database.will_read()
    else:
        # the session was read before this; the transaction that may write begins afresh
        database.db.session.rollback()
        database.will_write()
    session.tell_if_stolen()


def finish(response: Response) -> Response:
    """Return to keep, raise to undo: a refused or broken request leaves nothing behind."""
    keep = response.status_code < 400 or g.get("keep", False)
    if keep:
        if request.method in SAFE and session.needs_writing():
            database.db.session.rollback()  # a page read changes nothing but its session
            database.will_write()
        session.store(response)
    database.finish(ok=keep)
    session.note_seen()
    return response


def add_headers(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "none"
    seconds = time.perf_counter() - g.get("started", time.perf_counter())
    REQUESTS.labels(request.method if request.method in METHODS else "other", route, response.status_code).inc()
    SECONDS.labels(route).observe(seconds)
    say = log.debug if route in PROBES else log.info
    say("request", method=request.method, path=request.path, status=response.status_code, ms=round(seconds * 1000, 1))
    structlog.contextvars.clear_contextvars()
    headers = response.headers
    headers["X-Request-Id"] = g.get("request_id", "")
    headers.setdefault("Cache-Control", "no-store" if response.status_code >= 400 else "private, no-cache")
    headers["Content-Security-Policy"] = CSP
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    if runtime().config.https:
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return response


PROBES = frozenset({"/healthz", "/readyz", "/metrics"})  # every few seconds, and never news
METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
