"""The keys that tokens for an API version are encrypted to.

*Managed*: we make the pair, and the decision point opens the tokens. Else the API gives its public half (RFC 7517), proves
by reading out a challenge that it has the private one, and nobody but the API reads its tokens. Every token has its own
content-encryption key (RFC 7516); a key has one algorithm and one content algorithm.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime, timedelta
from typing import Any

import orjson
from joserfc import jwe, jwk
from joserfc.jwe import JWERegistry
from sqlalchemy import delete, select

from ..accounts.models import Person
from ..apis.models import ApiVersion
from ..applications.models import ResourceServer
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now, serialise
from ..errors import Refused
from ..runtime import changed, runtime
from . import rotation
from .algorithms import A256KW, check_public_jwk, new_key, public_half
from .models import GOOD, EncryptionKey, KeyState, Source
from .secrets import digest


def ensure_encryption_key(version: ApiVersion) -> EncryptionKey:
    """The key that this version's tokens are encrypted to, as its profile says; made or replaced where it is managed."""
    key = active_key(version.id)
    if version.key_source == Source.MANAGED:
        return key if key is not None and _fits(key, version) else _replace(version, key, now())
    if key is None or key.source != version.key_source or key.alg != version.encryption_alg:
        key = _take_over(_proven_key(version), key)
    key.enc = version.content_alg
    return key


def _proven_key(version: ApiVersion) -> EncryptionKey:
    for key in _keys(version.id, (KeyState.NEXT,)):
        if key.source == version.key_source and key.alg == version.encryption_alg:
            return key
    raise Refused(
        f"Register the API's own public key for {version.encryption_alg} first, on the page Keys of this version.",
        "key_source",
    )


def _take_over(key: EncryptionKey, before: EncryptionKey | None) -> EncryptionKey:
    moment = now()
    if before is not None:
        rotation.begin_retiring(before, moment)
        db.session.flush()  # there may be one active key only, at every moment
    rotation.activate(key, moment)
    db.session.flush()
    changed()
    return key


def _fits(key: EncryptionKey, version: ApiVersion) -> bool:
    curve = key.curve in ("", version.encryption_curve) or not version.encryption_alg.startswith("ECDH")
    return key.is_managed and curve and (key.alg, key.enc) == (version.encryption_alg, version.content_alg)


def _replace(version: ApiVersion, before: EncryptionKey | None, moment: datetime) -> EncryptionKey:
    if before is not None:
        rotation.begin_retiring(before, moment)
        db.session.flush()
    made = _create(version, moment)
    changed()
    return made


def _create(version: ApiVersion, moment: datetime) -> EncryptionKey:
    kid, pair = new_key(version.encryption_alg, version.encryption_curve)
    private = orjson.dumps(pair.as_dict(private=True))
    key = EncryptionKey(
        kid=kid,
        version_id=version.id,
        state=KeyState.ACTIVE,
        alg=version.encryption_alg,
        enc=version.content_alg,
        public_jwk=public_half(pair, kid, version.encryption_alg, "enc"),
        private_sealed=runtime().ring.seal(private, f"encryption_key.private.{kid}"),
        created_at=moment,
        activated_at=moment,
    )
    db.session.add(key)
    db.session.flush()
    return key


def rotate_encryption_key(
    version: ApiVersion, *, by: Person | None = None, at: datetime | None = None
) -> EncryptionKey:
    """New tokens are encrypted to a new key; the one before opens those that are under way."""
    serialise(f"encryption key {version.id}")
    key = active_key(version.id)
    if key is None or not key.is_managed:
        raise Refused(f"{version.name} has no encryption key of ours. Its own key is replaced by registering another.")
    made = _replace(version, key, at or now())
    record(Action.ENCRYPTION_KEY_ROTATED, made, by=by, name=version.name, changes={"kid": [key.kid, made.kid]})
    return made


def revoke_encryption_key(key: EncryptionKey, version: ApiVersion, *, by: Person) -> None:
    """Tokens encrypted to it are refused now. Where it is managed, a new one takes over at once."""
    serialise(f"encryption key {version.id}")
    db.session.refresh(key)
    if key.state not in GOOD:
        raise Refused(f"That key is {key.state} already.")
    before = key.state
    rotation.end_at_once(key, now())
    db.session.flush()
    if before == KeyState.ACTIVE and key.is_managed:
        _create(version, now())
    changed()
    record(Action.ENCRYPTION_KEY_REVOKED, key, by=by, name=version.name, changes={"state": [before, "revoked"]})


def rotate_due_encryption_keys(every: timedelta, at: datetime | None = None) -> None:
    """What the schedule asks for. There is no ``next``: only we encrypt and open, and both see a new key at once."""
    moment = at or now()
    query = select(EncryptionKey).where(EncryptionKey.state.in_((KeyState.ACTIVE, KeyState.RETIRING)))
    for key in db.session.scalars(query).all():
        if rotation.has_lingered(key, moment):
            rotation.retire(key, moment)
            changed()
        elif key.state == KeyState.ACTIVE and key.is_managed and rotation.is_due(key, moment, every):
            rotate_encryption_key(db.session.get_one(ApiVersion, key.version_id), at=moment)


def share_content_secret(key: EncryptionKey, version: ApiVersion, *, by: Person) -> dict[str, Any]:
    """The A256KW secret as a JWK, for a backend that opens its tokens itself too. That it was seen is written down."""
    if key.alg != A256KW or key.state not in GOOD:
        raise Refused("Only an A256KW key in use is a secret that can be shared.")
    record(Action.SHARED_SECRET_SHOWN, key, by=by, name=version.name)
    return dict(orjson.loads(open_private(key))) | {"kid": key.kid, "alg": key.alg, "use": "enc"}


def open_private(key: EncryptionKey) -> bytes:
    return runtime().ring.open(key.private_sealed, f"encryption_key.private.{key.kid}")


def register_key(version: ApiVersion, given: Any, *, uri: str = "", by: Person) -> tuple[EncryptionKey, str]:
    """The API's own public key, not used yet, and a challenge: a compact JWE that only the API can open."""
    checked = check_public_jwk(given, "enc", [version.encryption_alg])
    _refuse_kid_of_ours(checked["kid"])
    for waiting in _keys(version.id, (KeyState.UNPROVEN,)):
        db.session.delete(waiting)  # a new try replaces the one before
    answer = secrets.token_urlsafe(24)
    key = EncryptionKey(
        kid=checked["kid"],
        version_id=version.id,
        source=Source.JWKS_URI if uri else Source.JWK,
        state=KeyState.UNPROVEN,
        alg=checked["alg"],
        enc=version.content_alg,
        public_jwk=checked,
        jwks_uri=uri,
        challenge=digest(answer),
        fetched_at=now() if uri else None,
    )
    db.session.add(key)
    db.session.flush()
    record(Action.ENCRYPTION_KEY_REGISTERED, key, by=by, name=version.name, changes={"kid": key.kid, "jwks_uri": uri})
    return key, _challenge(key, answer)


def _refuse_kid_of_ours(kid: str) -> None:
    """Else the decision point would try to open the API's tokens with a key of ours."""
    query = select(EncryptionKey.id).where(EncryptionKey.kid == kid, EncryptionKey.source == Source.MANAGED).limit(1)
    if db.session.scalar(query) is not None:
        raise Refused(f"The kid {kid} is one of our own keys'. Give the key another kid.", "jwk")


def _challenge(key: EncryptionKey, answer: str) -> str:
    header = {"alg": key.alg, "enc": key.enc, "kid": key.kid}
    registry = JWERegistry(algorithms=[key.alg, key.enc])
    return jwe.encrypt_compact(header, answer.encode(), jwk.import_key(key.public_jwk), registry=registry)


def prove_key(key: EncryptionKey, answer: str, version: ApiVersion, *, by: Person) -> None:
    """Whoever reads out the challenge has the private half. Tokens are encrypted to this key from now on where the version
    uses its own key already, else as soon as it is published so."""
    serialise(f"encryption key {version.id}")
    db.session.refresh(key)
    if key.state != KeyState.UNPROVEN:
        raise Refused("That key was proven already.")
    if not hmac.compare_digest(digest(answer.strip()), key.challenge):
        raise Refused(
            "That is not what the challenge says. Open it with the private half of the key you registered.", "answer"
        )
    for waiting in _keys(version.id, (KeyState.NEXT,)):
        rotation.retire(waiting, now())  # proven earlier, never used
    key.challenge, key.state = "", KeyState.NEXT
    if version.is_serving and version.key_source == key.source:
        _take_over(key, active_key(version.id))
    record(Action.ENCRYPTION_KEY_PROVEN, key, by=by, name=version.name, changes={"kid": key.kid})


def renew_fetched_key(key: EncryptionKey, keys: list[dict[str, Any]]) -> None:
    """What the API publishes at its ``jwks_uri`` now. Another key takes over without a challenge: the address was proven."""
    key.fetched_at = now()
    fitting = [k for k in keys if k["alg"] == key.alg]
    if fitting:
        _refuse_kid_of_ours(fitting[0]["kid"])
    if not fitting or any(_same(k, key.public_jwk) for k in fitting):
        return
    fresh = EncryptionKey(
        kid=fitting[0]["kid"], version_id=key.version_id, source=key.source, state=KeyState.NEXT, alg=key.alg,
        enc=key.enc, public_jwk=fitting[0], jwks_uri=key.jwks_uri, fetched_at=now(),
    )  # fmt: skip
    db.session.add(fresh)
    _take_over(fresh, key)
    record(Action.ENCRYPTION_KEY_ROTATED, fresh, changes={"kid": [key.kid, fresh.kid], "jwks_uri": key.jwks_uri})


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one.get(name) == other.get(name) for name in ("kid", "kty", "x", "n"))


def forget_keys(version_id: int) -> None:
    """Of a draft that is discarded: what was registered for it, and who was to ask about its tokens."""
    for table in (EncryptionKey, ResourceServer):
        db.session.execute(delete(table).where(table.version_id == version_id))


def active_key(version_id: int) -> EncryptionKey | None:
    return next(iter(_keys(version_id, (KeyState.ACTIVE,))), None)


def _keys(version_id: int, states: tuple[KeyState, ...]) -> list[EncryptionKey]:
    query = select(EncryptionKey).where(EncryptionKey.version_id == version_id, EncryptionKey.state.in_(states))
    return list(db.session.scalars(query.order_by(EncryptionKey.id.desc()).limit(20)))
