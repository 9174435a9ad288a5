"""Why a token would be taken or refused, step by step. It is read here and stored nowhere.

The verifier itself says which of its checks failed; what comes after it (audience, scope, subscription, token profile) is
asked as a gateway would.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import contains_eager

from ..apis import openapi
from ..apis.models import Accepts, ApiVersion, Dpop
from ..applications.clients import client
from ..applications.models import Application
from ..applications.queries import by_client_ids
from ..db import db
from .compact import InvalidToken, json_object
from .verify import STEPS, audiences, revoked, verify

SIGNED = ("Header", "Claims", "Signature")
ENCRYPTED = ("Header", "Encrypted key", "Nonce", "Ciphertext", "Tag")
NAMES = {
    "format": "Format",
    "decryption": "Decryption",
    "key": "Key",
    "signature": "Signature",
    "type": "Type",
    "claims": "Claims",
    "issuer": "Issuer",
    "times": "Times",
    "audience": "Audience",
    "scope": "Scope",
    "revoked": "Revoked",
    "subscription": "Subscription",
    "profile": "Token profile",
}


@dataclass(frozen=True)
class Check:
    """``state``: ok, bad, or skip (not asked, because one before it failed)."""

    name: str
    state: str
    text: str


@dataclass
class Inspection:
    segments: list[tuple[str, str]]
    outer: dict[str, Any] = field(default_factory=dict)  # header as it came
    inner: dict[str, Any] = field(default_factory=dict)  # header of the signed token inside
    claims: dict[str, Any] = field(default_factory=dict)
    hidden: bool = False  # the claims are not for whoever asks
    version: ApiVersion | None = None
    application: Application | None = None
    checks: list[Check] = field(default_factory=list)
    status: int = 200  # what the gateway would answer with

    @property
    def failed(self) -> list[Check]:
        return [c for c in self.checks if c.state == "bad"]

    @property
    def passed(self) -> int:
        return sum(c.state == "ok" for c in self.checks)


def inspect(text: str, may_read: Callable[[dict[str, Any]], bool], operation: str = "") -> Inspection:
    """``may_read`` says of claims whether they may be shown. ``operation``: ``GET /orders``, to compare scopes with."""
    text = text.strip()
    if text[:7].lower() == "bearer " or text[:5].lower() == "dpop ":
        text = text.partition(" ")[2].strip()
    found = _taken_apart(text)
    refusal: InvalidToken | None = None
    try:
        verified = verify(text)
        claims, is_sealed = verified.claims, verified.is_sealed
        if verified.inner and verified.inner != text:
            found.inner = json_object(verified.inner.split(".")[0])
    except InvalidToken as invalid:
        refusal, claims, is_sealed = invalid, invalid.claims or {}, False
    found.version = _version_of(claims)
    found.application = by_client_ids({str(claims.get("client_id", ""))}).get(str(claims.get("client_id", "")))
    found.checks = [
        *_verifier_checks(found, claims, refusal, is_sealed),
        *_gateway_checks(found, claims, refusal, operation),
    ]
    found.checks.sort(key=lambda c: list(NAMES.values()).index(c.name))
    _set_status(found, refusal)
    if len(found.segments) == 5 and claims and not may_read(claims):
        _hide(found)
    else:
        found.claims = claims or _unchecked_claims(text)
    return found


def _taken_apart(text: str) -> Inspection:
    parts = text.split(".")
    names = {3: SIGNED, 5: ENCRYPTED}.get(len(parts), ())
    found = Inspection(list(zip(names, parts, strict=True)) if names else [])
    try:
        found.outer = json_object(parts[0]) if names else {}
    except InvalidToken:
        found.outer = {}
    return found


def _unchecked_claims(text: str) -> dict[str, Any]:
    """Of a signed token that is not good: what it says all the same."""
    parts = text.split(".")
    try:
        return json_object(parts[1]) if len(parts) == 3 else {}
    except InvalidToken:
        return {}


def _hide(found: Inspection) -> None:
    """Encrypted claims are for the application's team and for those who read the logs."""
    found.hidden, found.inner, found.version, found.application = True, {}, None, None
    found.checks = [
        c if c.state == "bad" or c.name in ("Format", "Decryption") else Check(c.name, c.state, "")
        for c in found.checks
    ]


def _version_of(claims: dict[str, Any]) -> ApiVersion | None:
    meant_for = audiences(claims)
    if not meant_for:
        return None
    query = select(ApiVersion).join(ApiVersion.api).options(contains_eager(ApiVersion.api))
    return db.session.scalars(query.where(ApiVersion.audience.in_(meant_for[:5])).order_by(ApiVersion.id)).first()


def _verifier_checks(
    found: Inspection, claims: dict[str, Any], refusal: InvalidToken | None, is_sealed: bool
) -> list[Check]:
    out, stopped = [], False
    for step in (s for s in STEPS if s != "decryption" or len(found.segments) == 5):
        if refusal is not None and step == refusal.step:
            out.append(Check(NAMES[step], "bad", refusal.reason))
            stopped = True
        elif stopped and step == "revoked" and refusal is not None and refusal.step == "times":
            gone = claims.get("jti") in revoked()
            out.append(Check(NAMES[step], "bad" if gone else "ok", "The token was revoked." if gone else "No."))
        elif stopped:
            out.append(Check(NAMES[step], "skip", "Not asked."))
        else:
            out.append(Check(NAMES[step], "ok", _why_good(step, found, claims, is_sealed)))
    return out


def _why_good(step: str, found: Inspection, claims: dict[str, Any], is_sealed: bool) -> str:
    if step == "format":
        return (
            "Encrypted: a signed JWT inside a JWE, five parts."
            if len(found.segments) == 5
            else "Signed JWT, three parts."
        )
    if is_sealed and step in ("decryption", "key", "signature", "type"):
        return "Only the API can open it. It is known here by its SHA-256." if step == "decryption" else "Made here."
    head = found.inner or found.outer
    texts = {
        "decryption": f"Opened with {found.outer.get('kid', '')}, {found.outer.get('alg')} and {found.outer.get('enc')}.",
        "key": f"{head.get('kid', 'Its key')} is published.",
        "signature": f"{head.get('alg', '')}, matches.",
        "type": "at+jwt, an access token.",
        "claims": "All that RFC 9068 asks for are there.",
        "issuer": "This console.",
        "revoked": "No.",
    }
    return _times(claims) if step == "times" else texts[step]


def _times(claims: dict[str, Any]) -> str:
    try:
        start, end = (datetime.fromtimestamp(claims[name], UTC) for name in ("iat", "exp"))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return "Within its time."
    left = int(claims["exp"] - time.time())
    return f"From {start:%d %b %H:%M:%S} to {end:%d %b %H:%M:%S} UTC, {max(0, left) // 60} min left."


def _gateway_checks(
    found: Inspection, claims: dict[str, Any], refusal: InvalidToken | None, operation: str
) -> list[Check]:
    """Asked once it is known what the token says, whatever the verifier thought of its times."""
    if not claims or (refusal is not None and refusal.step not in ("times", "revoked")):
        return [Check(NAMES[n], "skip", "Not asked.") for n in ("audience", "scope", "subscription", "profile")]
    return [
        _audience(found, claims),
        _scope(found, claims, operation),
        _subscription(found, claims),
        _profile(found, claims),
    ]


def _audience(found: Inspection, claims: dict[str, Any]) -> Check:
    meant_for = ", ".join(audiences(claims))
    if found.version is None:
        return Check("Audience", "bad", f"No API here is {meant_for or 'named'}. Ask for a token for the API you call.")
    if not found.version.is_serving:
        return Check("Audience", "bad", f"{found.version.name} is {found.version.state}; nobody can call it.")
    return Check("Audience", "ok", f"{found.version.name}, {meant_for}")


def _scope(found: Inspection, claims: dict[str, Any], operation: str) -> Check:
    has = str(claims.get("scope", "")).split()
    holds = f"Has {' '.join(has)}." if has else "Has none."
    if found.version is None or not operation:
        return Check("Scope", "ok", f"{holds} Choose a call to compare with." if found.version else holds)
    needed = next(
        (o.scopes for o in openapi.operations(found.version.document) if f"{o.method.upper()} {o.path}" == operation),
        (),
    )
    missing = [scope for scope in needed if scope not in has]
    if missing:
        return Check("Scope", "bad", f"{operation} needs {' '.join(missing)}. {holds} Ask for a token with that scope.")
    return Check("Scope", "ok", f"{operation} needs {' '.join(needed) or 'none'}. {holds}")


def _subscription(found: Inspection, claims: dict[str, Any]) -> Check:
    if found.version is None:
        return Check("Subscription", "skip", "Not asked.")
    owner = client(str(claims["client_id"]))
    name = found.application.name if found.application else "No application here"
    if owner is None or owner.grant_for(found.version.audience) is None:
        return Check("Subscription", "bad", f"{name} has no active subscription to {found.version.name}. Ask for one.")
    return Check("Subscription", "ok", f"{name} subscribes to {found.version.name}.")


def _profile(found: Inspection, claims: dict[str, Any]) -> Check:
    """What the API takes: plain or encrypted, bound to a key or not."""
    version = found.version
    if version is None:
        return Check("Token profile", "skip", "Not asked.")
    kind = Accepts.ENCRYPTED if len(found.segments) == 5 else Accepts.SIGNED
    if not version.takes(kind):
        wanted = "encrypted tokens only" if version.encryption_required else "no such tokens"
        return Check("Token profile", "bad", f"{version.name} takes {wanted}. Ask the token endpoint for another.")
    bound = isinstance(claims.get("cnf"), dict)
    if bound and version.dpop == Dpop.OFF:
        return Check("Token profile", "bad", f"{version.name} does not take DPoP-bound tokens.")
    if not bound and version.dpop == Dpop.REQUIRED:
        return Check("Token profile", "bad", f"{version.name} takes DPoP-bound tokens only (RFC 9449).")
    how = "It is bound to a key: each call needs a DPoP proof." if bound else "Sent as Bearer."
    return Check("Token profile", "ok", f"{version.name} takes {kind} tokens. {how}")


def _set_status(found: Inspection, refusal: InvalidToken | None) -> None:
    if refusal is not None:
        found.status = 401
    elif found.failed:
        found.status = 403 if {c.name for c in found.failed} <= {"Scope", "Subscription"} else 401
