"""The keys that sign tokens: two are always published, one of which signs; rotation never surprises a verifier."""

from __future__ import annotations

import orjson
from joserfc.jwk import ECKey
from sqlalchemy import select

from ..accounts.models import Person
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now, serialise
from ..errors import Refused
from ..runtime import changed, runtime
from .models import KeyState, SigningKey

ALG = "ES256"
PUBLISH_LEAD_S = 900  # the JWKS max-age: no verifier may see a signature before it can have seen the key
LINGER_S = 24 * 3600 + 60  # the longest token lifetime, and clock skew: signed tokens stay good until they expire


def ensure_signing_keys() -> None:
    """An active key and a next one, at the first start."""
    serialise("signing keys")
    states = set(db.session.scalars(select(SigningKey.state)))
    if KeyState.ACTIVE not in states:
        _create(KeyState.ACTIVE)
    if KeyState.NEXT not in states:
        _create(KeyState.NEXT)
    if not {KeyState.ACTIVE, KeyState.NEXT} <= states:
        changed()


def rotate_signing_key(*, by: Person | None = None, at_once: bool = False) -> SigningKey:
    """next -> active, active -> retiring, and a fresh next; what has lingered long enough is retired and wiped."""
    serialise("signing keys")
    keys = list(db.session.scalars(select(SigningKey).where(SigningKey.state != KeyState.RETIRED)))
    coming = next(k for k in keys if k.state == KeyState.NEXT)
    age_s = (now() - coming.created_at).total_seconds()
    if age_s < PUBLISH_LEAD_S and not at_once:
        raise Refused(
            f"The next key has been published for {age_s / 60:.0f} minutes only. Verifiers may not have it yet; "
            f"wait {(PUBLISH_LEAD_S - age_s) / 60:.0f} more."
        )
    for key in keys:
        if key.state == KeyState.ACTIVE:
            key.state, key.retiring_at = KeyState.RETIRING, now()
        elif key.state == KeyState.RETIRING and (now() - (key.retiring_at or now())).total_seconds() > LINGER_S:
            key.state, key.retired_at, key.private_sealed = KeyState.RETIRED, now(), ""
    coming.state, coming.activated_at = KeyState.ACTIVE, now()
    _create(KeyState.NEXT)
    changed()
    record(Action.SIGNING_KEY_ROTATED, coming, by=by)
    return coming


def _create(state: KeyState) -> SigningKey:
    pair = ECKey.generate_key("P-256", private=True)
    kid = pair.thumbprint()
    key = SigningKey(
        kid=kid,
        alg=ALG,
        state=state,
        public_jwk=dict(pair.as_dict(private=False)) | {"kid": kid, "use": "sig", "alg": ALG},
        private_sealed=runtime().ring.seal(orjson.dumps(pair.as_dict(private=True)), f"signing_key.private.{kid}"),
        activated_at=now() if state == KeyState.ACTIVE else None,
    )
    db.session.add(key)
    db.session.flush()
    return key


def published_keys() -> list[SigningKey]:
    query = select(SigningKey).where(SigningKey.state != KeyState.RETIRED).order_by(SigningKey.created_at)
    return list(db.session.scalars(query))


def jwks() -> dict[str, list[dict[str, object]]]:
    """RFC 7517 section 5: the public halves of every key a good token may be signed with."""
    return {"keys": [key.public_jwk for key in published_keys()]}
