"""The thin way in for machines: what they call thousands of times a second skips Flask, not one rule.

An endpoint is a function from `Asked` to `Answer`. It runs inside the application context, over the same actions and
queries as the pages. Flask costs 0.25 ms of CPU a request here, as much as everything else of a token together.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import orjson
import structlog
from flask import Flask

from ..audit.actions import Origin, origin
from ..db import db
from ..errors import Refused
from ..runtime import NotInMemory, Runtime, only_memory
from .metrics import REQUESTS, SECONDS

log = structlog.get_logger("machine")
LARGEST_FORM = 64 * 1024
REASONS = {200: "OK", 204: "No Content", 304: "Not Modified", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden"}
REASONS |= {404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 413: "Content Too Large", 429: "Too Many"}
REASONS |= {500: "Internal Server Error", 503: "Service Unavailable"}


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)


def json_answer(value: Any, status: int = 200, *headers: tuple[str, str]) -> Answer:
    fixed = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache")]
    return Answer(status, orjson.dumps(value), [*fixed, *headers])


def problem_answer(status: int, title: str, detail: str, *headers: tuple[str, str]) -> Answer:
    """RFC 9457."""
    body = orjson.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail})
    return Answer(status, body, [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store"), *headers])


class Asked:
    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]

    def header(self, name: str) -> str:
        return str(self.environ.get("HTTP_" + name.upper().replace("-", "_"), ""))

    def headers(self) -> dict[str, str]:
        """All of them, their names in lower case."""
        environ = self.environ
        said = {name[5:].replace("_", "-").lower(): str(v) for name, v in environ.items() if name.startswith("HTTP_")}
        others = {"content-type": self.content_type, "content-length": str(environ.get("CONTENT_LENGTH", ""))}
        return said | {name: value for name, value in others.items() if value}

    @property
    def path(self) -> str:
        return str(self.environ.get("PATH_INFO", "")).encode("latin-1").decode("utf-8", "replace")  # PEP 3333

    @property
    def query_string(self) -> str:
        return str(self.environ.get("QUERY_STRING", ""))

    @property
    def content_type(self) -> str:
        return str(self.environ.get("CONTENT_TYPE", ""))

    @property
    def address(self) -> str:
        return str(self.environ.get("REMOTE_ADDR", ""))

    @property
    def bearer(self) -> str:
        return self.credential("bearer")

    def credential(self, scheme: str) -> str:
        """What the Authorization header says, if it is of this scheme (lower case)."""
        said, _, value = self.header("Authorization").partition(" ")
        return value.strip() if said.lower() == scheme else ""

    @property
    def query(self) -> dict[str, str]:
        said = self.environ.get("QUERY_STRING", "")
        return dict(parse_qsl(said)) if said else {}

    def body(self, most: int = LARGEST_FORM) -> bytes:
        """The body, whole; `Refused` with 413 before reading more than ``most`` bytes."""
        stream = self.environ["wsgi.input"]
        length = self.environ.get("CONTENT_LENGTH", "")
        if length.isdigit() and int(length) > most:
            raise BodyTooLarge(f"Send at most {most} bytes.")
        data = stream.read(int(length)) if length.isdigit() else stream.read(most + 1)
        if len(data) > most:
            raise BodyTooLarge(f"Send at most {most} bytes.")
        if length.isdigit() and len(data) < int(length):  # the connection ended, and gunicorn hands over what came
            raise BodyCut(f"The body has {len(data)} bytes, not the {length} that Content-Length says.")
        return bytes(data)


class BodyTooLarge(Refused):
    status = 413


class BodyCut(Refused):
    status = 400


# in the environ: answer without waiting for anything, or raise NotInMemory (or NeverInMemory, for another route)
MEMORY_ONLY = "gatewright.memory_only"


class NeverInMemory(Exception):
    """No route that answers from memory."""


Endpoint = Callable[[Asked], Answer]


@dataclass(frozen=True)
class Route:
    """``proof`` says who may call: ``client`` credentials, a ``node`` credential, or ``nobody`` in particular.

    ``memory`` is for what mostly answers from memory: it is tried without a database first, and from its start again
    with one when it asks for something that is not remembered. So it changes nothing before the last thing it asks for.

    A ``path`` that ends in a slash, ``/mock/``, is that of all paths below it.
    """

    method: str
    path: str
    proof: str
    endpoint: Endpoint
    memory: bool = False


class Front:
    """The WSGI application: machine routes first, everything else to Flask."""

    def __init__(self, app: Flask, pages: Callable[..., Iterable[bytes]], routes: list[Route]) -> None:
        self.app, self.pages = app, pages
        self.memory: Runtime = app.extensions["gatewright"]
        self.routes: dict[str, dict[str, Route]] = {}
        for route in routes:
            self.routes.setdefault(route.path, {})[route.method] = route

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        methods = self.routes.get(path) or self.routes.get(path[: path.find("/", 1) + 1], {})
        method = "GET" if environ["REQUEST_METHOD"] == "HEAD" else environ["REQUEST_METHOD"]
        route = methods.get(method)
        if MEMORY_ONLY in environ and not (route and route.memory):
            raise NeverInMemory
        if not methods:
            return self.pages(environ, start_response)
        started = time.perf_counter()
        answer = self._run(route, environ) if route else _wrong_method(methods)
        place = next(iter(methods.values())).path
        _requests(environ["REQUEST_METHOD"] if route else "other", place, answer.status).inc()
        if path != "/gateway/bundle":  # held open on purpose
            _seconds(place).observe(time.perf_counter() - started)
        headers = [*answer.headers, ("Content-Length", str(len(answer.body))), ("X-Content-Type-Options", "nosniff")]
        start_response(f"{answer.status} {REASONS.get(answer.status, 'Unknown')}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _run(self, route: Route, environ: dict[str, Any]) -> Answer:
        asked = Asked(environ)
        if MEMORY_ONLY in environ:
            return self._from_memory(route, asked)
        with self.app.app_context():
            origin.set(Origin(str(environ.get("REMOTE_ADDR", "")), secrets.token_hex(8)))
            try:
                return route.endpoint(asked)
            except Refused as refused:
                return _refused(refused)
            except Exception as problem:
                db.session.rollback()
                log.exception("machine.failed", path=route.path, error=type(problem).__name__)
                return problem_answer(500, "Internal Server Error", "Something broke here. It was logged; try again.")

    def _from_memory(self, route: Route, asked: Asked) -> Answer:
        with only_memory(self.memory):
            try:
                return route.endpoint(asked)
            except Refused as refused:
                return _refused(refused)
            except Exception as problem:  # there is no session here, and the long way logs what else it may be
                raise NotInMemory from problem


# routes, methods and statuses are few, and finding their counter costs more than counting
_requests = cache(REQUESTS.labels)
_seconds = cache(SECONDS.labels)


def _refused(refused: Refused) -> Answer:
    return problem_answer(refused.status, REASONS.get(refused.status, "Refused"), refused.message)


def _wrong_method(methods: dict[str, Route]) -> Answer:
    allowed = ", ".join(sorted(methods))
    return problem_answer(405, "Method Not Allowed", f"Use {allowed}.", ("Allow", allowed))
