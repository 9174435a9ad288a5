"""Trying an operation: a call to our own gateway, made by the console for a developer, with a credential of the moment.

The call goes to the version's own path at `GATEWRIGHT_GATEWAY_URL` and nowhere else; redirects are shown, not followed.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import urllib3

from ..accounts.models import Person
from ..apis.models import Accepts, ApiVersion
from ..applications.clients import grant_of
from ..applications.models import Application
from ..applications.queries import subscription_of
from ..credentials.actions import Terms, create_key, revoke_key
from ..credentials.models import ApiKey
from ..db import db, now
from ..errors import Refused
from ..tokens.actions import make_token
from ..tokens.verify import verify
from .calls import KEY, NO_BODY, OURS, TOKEN, address, plain, typed
from .reference import Described, Parameter, is_json
from .schemas import Document

LIFETIME_S = 120
LIMIT_S = 10.0
LARGEST_ANSWER = 1_000_000  # bytes
SHOWN = 100_000  # characters of it on the page
HOPS = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
FIELDS = ("path", "query", "header")


@dataclass(frozen=True)
class Permit:
    """A credential that lives as long as a try takes. ``claims``: what a token says, in short."""

    headers: dict[str, str] = field(default_factory=dict, repr=False)
    kind: str = ""  # signed, encrypted, key; empty where nothing is asked for
    claims: dict[str, Any] = field(default_factory=dict)
    key_id: int = 0


@dataclass(frozen=True)
class Prepared:
    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


@dataclass(frozen=True)
class Tried:
    """What came back. ``kind``: json, text, binary or empty."""

    sent: Prepared
    permit: Permit
    status: int
    reason: str
    ms: float
    headers: list[tuple[str, str]]
    kind: str
    text: str
    size: int  # bytes that were read
    is_cut: bool  # there was more than `LARGEST_ANSWER`
    request_id: str

    @property
    def tone(self) -> str:
        return "ok" if self.status < 400 else "warn" if self.status < 500 else "bad"


def issue_permit(application: Application | None, version: ApiVersion, *, by: Person) -> Permit:
    """In the kind that its plan takes: a token, or a key that is revoked after the call. One audit entry, as always."""
    if not version.is_serving:
        raise Refused(f"{version.name} is {version.state}; there is nothing to call.")
    if Accepts.OPEN in version.accepts:
        return Permit()
    subscription = subscription_of(application, version.id) if application else None
    if application is None or subscription is None:
        raise Refused(f"Choose an application with an approved subscription to {version.name}.", "application")
    grant = grant_of(subscription)
    if grant.takes_tokens:
        token = make_token(application, version, "", min(LIFETIME_S, version.token_lifetime_s), by=by)
        claims = verify(token.text).claims
        return Permit({TOKEN.header: TOKEN.prefix + token.text}, token.format, claims)
    if Accepts.KEY not in grant.accepts:
        raise Refused(f"{application.name} calls {version.name} with a client certificate, whose key you alone have.")
    # keys cannot be shown again, not even to us
    terms = Terms("Try it", expires_at=now() + timedelta(seconds=LIFETIME_S))
    key, text = create_key(application, terms, by=by)
    return Permit({KEY.header: text}, "key", {"name": key.name, "exp": int(now().timestamp()) + LIFETIME_S}, key.id)


def withdraw(permit: Permit, *, by: Person) -> None:
    """After the call. A token ends by itself within two minutes."""
    key = db.session.get(ApiKey, permit.key_id) if permit.key_id else None
    if key is not None:
        revoke_key(key, by=by)


def prepare(
    version: ApiVersion, document: Document, described: Described, values: dict[str, str], media: str, body: str
) -> Prepared:
    """``values``: text by ``where.name`` of a parameter, as somebody wrote it. `Refused` names what is missing."""
    asked = [(p, _typed(document, p, values)) for p in described.parameters if p.where in FIELDS]
    given = [(p, value) for p, value in asked if value is not None]
    operation = described.operation
    url = address(version.url, operation.path, document, [(p, v) for p, v in given if p.where != "header"])
    headers = {p.name: plain(document, p, v) for p, v in given if p.where == "header" and p.name.lower() not in OURS}
    sends = bool(body) and operation.method not in NO_BODY and media in [b.media for b in described.bodies]
    if sends and is_json(media):
        _check_json(body)
    if sends:
        headers["Content-Type"] = media
    return Prepared(operation.method.upper(), url, headers, body.replace("\r\n", "\n").encode() if sends else None)


def name_of(parameter: Parameter) -> str:
    """Of its field in the form."""
    return f"{parameter.where}.{parameter.name}"


def _typed(document: Document, parameter: Parameter, values: dict[str, str]) -> Any:
    text = values.get(name_of(parameter), "").strip()
    if text:
        return typed(document, parameter, text)
    if parameter.where == "path" or (parameter.node.required and parameter.name.lower() not in OURS):
        raise Refused(f"Fill in {parameter.name}.")
    return None


def _check_json(body: str) -> None:
    try:
        orjson.loads(body)
    except ValueError as problem:
        raise Refused(f"The body is no JSON: {problem}.", "body") from None


def send(prepared: Prepared, permit: Permit) -> Tried:
    """To the gateway. Hold no transaction meanwhile: the gateway may ask this console whether the credential is good."""
    started = time.monotonic()
    manager = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=3, read=LIMIT_S))
    headers = {
        "Accept": "application/json, */*;q=0.8",
        "Accept-Encoding": "identity",
        "User-Agent": "Gatewright try it",
    }
    try:
        answer = manager.urlopen(
            prepared.method, prepared.url, body=prepared.body, headers=headers | prepared.headers | permit.headers,
            redirect=False, preload_content=False, decode_content=False,
        )  # fmt: skip
        with _hanging_up(answer, started + LIMIT_S):
            content = answer.read(LARGEST_ANSWER + 1)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as problem:
        raise Refused(_why(problem, time.monotonic() - started)) from None
    finally:
        manager.clear()
    return _tried(prepared, permit, answer, content, (time.monotonic() - started) * 1000)


@contextlib.contextmanager
def _hanging_up(answer: urllib3.BaseHTTPResponse, deadline: float) -> Any:
    """An answer that comes drop by drop ends at the deadline, too."""
    connection = getattr(answer, "connection", None)
    watch = threading.Timer(max(0.0, deadline - time.monotonic()), _hang_up, (getattr(connection, "sock", None),))
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        answer.close()


def _hang_up(sock: socket.socket | None) -> None:
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _why(problem: Exception, spent_s: float) -> str:
    if spent_s >= LIMIT_S - 0.5 or isinstance(problem, urllib3.exceptions.ReadTimeoutError):
        return f"No whole answer came within {LIMIT_S:.0f} seconds. The request log says where the time went."
    if isinstance(problem, urllib3.exceptions.ConnectTimeoutError | urllib3.exceptions.NewConnectionError):
        return "The gateway does not answer this console. Is a node running at the address in GATEWRIGHT_GATEWAY_URL?"
    return "The call could not be made: the gateway hung up, or a header holds what no header may."


def _tried(prepared: Prepared, permit: Permit, answer: urllib3.BaseHTTPResponse, content: bytes, ms: float) -> Tried:
    said = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOPS]
    kind, text = readable(content[:LARGEST_ANSWER], answer.headers.get("Content-Type", ""))
    return Tried(
        prepared,
        permit,
        int(answer.status),
        str(answer.reason or ""),
        ms,
        said,
        kind,
        text[:SHOWN],
        min(len(content), LARGEST_ANSWER),
        len(content) > LARGEST_ANSWER,
        answer.headers.get("X-Request-Id", "")[:64],
    )


def readable(content: bytes, media: str) -> tuple[str, str]:
    """The kind and the text of a body; JSON is written over several lines."""
    if not content:
        return "", ""
    if is_json(media):
        with contextlib.suppress(ValueError):
            return "json", orjson.dumps(orjson.loads(content), option=orjson.OPT_INDENT_2).decode()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return "binary", ""
    return ("binary", "") if "\0" in text else ("text", text)
