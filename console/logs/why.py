"""Why was a call refused? By its request id, or by the token or key that was sent: the checks in order, and the calls.

What is pasted is read and kept nowhere. Whoever knows the request id of a call that no application could be told of may
read why it failed: gateways make these ids, 122 random bits, and answer them to the caller alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ..accounts.models import Permission, Person
from ..applications.models import Application
from ..applications.queries import by_client_ids, own_applications
from ..credentials.leaked import find_suspect
from ..credentials.models import ApiKey
from ..credentials.secrets import API_KEY
from ..db import now
from ..tokens.inspect import Check, Inspection, inspect
from .fields import trace
from .question import Question
from .search import look

TOKEN = re.compile(r"(?:(?:Bearer|DPoP)\s+)?[\w-]+\.[\w-]*\.[\w-]*(?:\.[\w-]*\.[\w-]*)?", re.IGNORECASE | re.ASCII)
ROWS = 20


@dataclass
class Answer:
    """``kind``: id, token or key. ``checks``: of the credential itself, as it is now."""

    kind: str
    rows: list[Any] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    application: Application | None = None

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if check.state == "bad"]


def why(text: str, *, by: Person) -> Answer:
    text = text.replace("\0", "").strip()
    if text.startswith(API_KEY + "_"):
        return _of_key(text, by)
    return _of_token(text, by) if TOKEN.fullmatch(text) and text.count(".") in (2, 4) else _of_id(text, by)


def _of_id(text: str, by: Person) -> Answer:
    clients = None if by.may(Permission.READ_LOGS) else _own(by) | {""}
    found = look(Question(request_id=text[:64], client_ids=clients), size=ROWS).rows
    if not found and (trace_id := trace(text)):
        found = look(Question(trace_id=trace_id, client_ids=None if clients is None else _own(by)), size=ROWS).rows
    return Answer("id", found)


def _own(by: Person) -> frozenset[str]:
    return frozenset(a.client_id for a in own_applications(by))


def _of_token(text: str, by: Person) -> Answer:
    def may_read(claims: dict[str, Any]) -> bool:
        return _may_read(by, str(claims.get("client_id", "")))

    found: Inspection = inspect(text, may_read)
    client_id, jti = str(found.claims.get("client_id", "")), str(found.claims.get("jti", ""))
    rows = _calls(client_id, jti) if jti and _may_read(by, client_id) else []
    return Answer("token", rows, found.checks, found.application)


def _may_read(by: Person, client_id: str) -> bool:
    if by.may(Permission.READ_LOGS):
        return True
    owner = by_client_ids({client_id}).get(client_id)
    return owner is not None and owner.team_id in by.team_ids


def _of_key(text: str, by: Person) -> Answer:
    suspect = find_suspect(text, by=by)
    key = suspect.row
    if not isinstance(key, ApiKey):
        found = [
            Check("Format", "bad", "It was not copied whole: its last letters do not fit the others.")
            if suspect.mistyped
            else Check("Format", "ok", "Whole, and of this kind of console."),
            Check("Known", "skip", "Not asked.")
            if suspect.mistyped
            else Check("Known", "bad", "No key here, or one of an application that you may not read about."),
        ]
        return Answer("key", [], found)
    return Answer("key", _calls(key.application.client_id, key.jti), _checks_of(key), key.application)


def _checks_of(key: ApiKey) -> list[Check]:
    ended = key.expires_at is not None and key.expires_at <= now()
    apis = [s.version.name for s in key.application.subscriptions if s.is_active]
    networks = ", ".join(key.networks)
    until = f"until {key.expires_at:%d %b %Y}" if key.expires_at else "without an end"
    return [
        Check("Format", "ok", "Whole."),
        Check("Known", "ok", f"{key.hint}, of {key.application.name}."),
        Check("Revoked", "bad", f"Since {key.revoked_at:%d %b %Y %H:%M} UTC. Create a new key.")
        if key.revoked_at
        else Check("Revoked", "ok", "No."),
        Check("Times", "bad", f"It ended on {key.expires_at:%d %b %Y}. Create a new key.")
        if ended
        else Check("Times", "ok", f"Good {until}."),
        Check("Networks", "ok", f"Only from {networks}." if networks else "From anywhere."),
        Check("Subscription", "ok", f"{key.application.name} may call {', '.join(apis)}.")
        if apis
        else Check(
            "Subscription", "bad", f"{key.application.name} has no active subscription. Subscribe in the catalog."
        ),
    ]


def _calls(client_id: str, jti: str) -> list[Any]:
    return look(Question(client_ids=frozenset({client_id}), jti=jti), size=ROWS).rows
