"""What a node needs to serve: one document, versioned by generation, hashed, the same for every kind of gateway.

It names no Envoy: the agent beside the node renders it (`console.gateway.envoy`). Shape::

    {"generation": 7, "issuer": url, "jwks": {...}, "revoked": [jti...],
     "versions": [{"id", "name", "path", "state", "backend", "accepts", "audience", "operations", "headers",
                   "ended_clients", "detail", "dpop", "keeps", "closures", "secrets", "body_bytes", "plans", "exhausted"}]}

``state``: protected, open (no credential is asked for), retired (410), stopped (503 with ``detail``), or mock (a draft that
the console answers for, see `console.apis.mock`).

``dpop``: off, optional or required. ``keeps``: the backend gets the credential as the caller sent it. ``closures``: how
often an encryption key of this version was revoked; what a node remembers from before then is void. ``secrets``: the HS256
keys (JWK) that this version's tokens are signed with, instead of the published ones; nothing for all others.
``body_bytes``: so much of request and response bodies goes with the record of a call; 0 for nearly all. ``plans``: name,
``requests`` in ``per_s`` seconds for each caller (0: no limit); tokens name one in the claim ``plan``, those that name another get
the strictest, and those that name none have no limit. ``exhausted``: client ids, each with the HTTP date at which its quota is refilled.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import contains_eager, undefer

from ..apis import openapi
from ..apis.models import UNPUBLISHED, Accepts, ApiVersion, State
from ..applications.models import Application, Plan, PlanState, Subscription, SubscriptionState
from ..credentials.algorithms import HS256
from ..credentials.models import ApiKey, ClientCertificate, EncryptionKey, KeyState, Source
from ..credentials.rotation import LONGEST_TOKEN_S
from ..credentials.signing import jwks, secret_jwk, shared_secrets
from ..db import db, now
from ..runtime import generation, remembered, runtime
from ..tokens.verify import revoked
from . import quotas

KINDS = {Accepts.SIGNED: "jws", Accepts.ENCRYPTED: "jwe", Accepts.KEY: "key", Accepts.CERTIFICATE: "cert"}
LONGEST_LIFETIME = timedelta(seconds=LONGEST_TOKEN_S)
INTERNAL_LIFETIME = timedelta(minutes=5)  # of what stands for an API key behind the gateway


def bundle() -> bytes:
    """The document as JSON; its SHA-256 is in `digest`."""
    return remembered("bundle", lambda: orjson.dumps(build(), option=orjson.OPT_SORT_KEYS))


def digest(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest()


def build() -> dict[str, Any]:
    number = generation(0)  # first: what is read after it is as new or newer, never older
    query = (
        select(ApiVersion)
        .join(ApiVersion.api)
        .options(contains_eager(ApiVersion.api), undefer(ApiVersion.document))
        .where(ApiVersion.state.not_in(UNPUBLISHED) | ApiVersion.mocked, ApiVersion.gateway_path.is_not(None))
        .order_by(ApiVersion.id)
    )
    ended, closures, plans, exhausted = _ended_clients(), _closures(), _plans(), _exhausted()
    return {
        "generation": number,
        "issuer": runtime().config.public_url,
        "jwks": jwks(),
        "revoked": sorted(revoked() | _revoked_keys()),
        "versions": [
            _version(v, closures.get(v.id, 0))
            | {
                "ended_clients": ended.get(v.id, []),
                "plans": plans.get(v.id, []) if _state(v) in ("open", "protected") else [],
                "exhausted": exhausted.get(v.id, {}),
            }
            for v in db.session.scalars(query)
        ],
    }


def _version(version: ApiVersion, closures: int) -> dict[str, Any]:
    state = _state(version)
    needs_secret = version.signing_alg == HS256 and state == "protected"  # else a node has no use for it
    return {
        "id": version.id,
        "name": f"{version.api.slug}@{version.version}",
        "path": version.gateway_path,
        "state": state,
        "backend": version.backend_url,
        "accepts": sorted(KINDS[Accepts(a)] for a in version.accepts if a in KINDS),
        "audience": version.audience,
        "operations": _operations(version) if state == "protected" else [],
        "headers": deprecation_headers(version),
        "detail": _gone(version) if state == "retired" else version.outage,
        "dpop": version.dpop,
        "keeps": version.key_source != Source.MANAGED and version.takes(Accepts.ENCRYPTED),
        "closures": closures,
        "secrets": [secret_jwk(key) for key in shared_secrets(version.id)] if needs_secret else [],
        "body_bytes": version.log_body_bytes if version.log_bodies and state in ("open", "protected") else 0,
    }


def _state(version: ApiVersion) -> str:
    """``retired`` answers 410, ``stopped`` 503; ``mock`` is answered by the console, ``open`` asks for no credential."""
    if version.state == State.RETIRED:
        return "retired"
    if version.outage:
        return "stopped"
    if version.is_unpublished:
        return "mock"
    return "open" if version.takes(Accepts.OPEN) else "protected"


def _operations(version: ApiVersion) -> list[dict[str, Any]]:
    """Those that need a scope. ``path`` is the document's template."""
    return [
        {"method": o.method.upper(), "path": o.path, "scopes": list(o.scopes)}
        for o in openapi.operations(version.document)
        if o.scopes
    ]


def deprecation_headers(version: ApiVersion) -> list[tuple[str, str]]:
    """Deprecation (RFC 9745: a structured date), Sunset (RFC 8594: an HTTP date), Link (RFC 8288)."""
    if version.state not in (State.DEPRECATED, State.RETIRED) or version.deprecated_at is None:
        return []
    headers = [("deprecation", f"@{int(version.deprecated_at.timestamp())}")]
    if version.sunset_at:
        headers.append(("sunset", http_date(version.sunset_at)))
    page = f"{runtime().config.public_url}/catalog/{version.api.slug}"
    links = [f'<{page}/{version.version}>; rel="deprecation"; type="text/html"']
    if version.successor and version.successor.gateway_path:
        links.append(f'<{version.successor.url}>; rel="successor-version"')
    return [*headers, ("link", ", ".join(links))]


def http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def _gone(version: ApiVersion) -> str:
    text = f"{version.name} was retired on {version.retired_at:%d %B %Y}."
    if version.successor:
        text += f" Use {version.successor.name} at {version.successor.url} instead."
    return text


def _ended_clients() -> dict[int, list[str]]:
    """Clients whose subscription is paused, or ended while a token of theirs may still be alive, by version."""
    pairs = select(Subscription.version_id, Application.client_id).join(Application)
    over = (SubscriptionState.CLOSED, SubscriptionState.EXPIRED)
    refused = pairs.where(
        (Subscription.state == SubscriptionState.PAUSED)
        | (Subscription.state.in_(over) & (Subscription.closed_at > now() - LONGEST_LIFETIME))
    )
    gone = {(version_id, client_id) for version_id, client_id in db.session.execute(refused)}
    if not gone:
        return {}
    active = pairs.where(
        Subscription.state == SubscriptionState.ACTIVE, Application.client_id.in_({client_id for _, client_id in gone})
    )
    gone -= {(version_id, client_id) for version_id, client_id in db.session.execute(active)}
    ended: dict[int, list[str]] = {}
    for version_id, client_id in sorted(gone):
        ended.setdefault(version_id, []).append(client_id)
    return ended


def _plans() -> dict[int, list[dict[str, Any]]]:
    """Of the versions with a plan that limits how often: all of them, because a token that names none gets the strictest."""
    query = select(Plan).where(Plan.state != PlanState.CLOSED).order_by(Plan.id)
    found: dict[int, list[Plan]] = {}
    for plan in db.session.scalars(query):
        found.setdefault(plan.version_id, []).append(plan)
    return {
        version_id: [{"name": p.name, "requests": p.rate_requests or 0, "per_s": p.rate_per_s} for p in plans]
        for version_id, plans in found.items()
        if any(p.rate_requests for p in plans)
    }


def _exhausted() -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for (version_id, client_id), at in sorted(quotas.known().items()):
        found.setdefault(version_id, {})[client_id] = http_date(at)
    return found


def _closures() -> dict[int, int]:
    query = select(EncryptionKey.version_id, func.count().label("revoked")).where(
        EncryptionKey.state == KeyState.REVOKED
    )
    return {row.version_id: row.revoked for row in db.session.execute(query.group_by(EncryptionKey.version_id))}


def _revoked_keys() -> set[str]:
    """Keys and certificates that a node may still remember as good."""
    since = now() - 2 * INTERNAL_LIFETIME
    keys = db.session.scalars(select(ApiKey).where(ApiKey.revoked_at > since))
    certificates = db.session.scalars(select(ClientCertificate).where(ClientCertificate.revoked_at > since))
    return {key.jti for key in keys} | {certificate.jti for certificate in certificates}
