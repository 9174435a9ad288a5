"""The keys that sign tokens: of each algorithm two are always published, one of which signs.

Every algorithm has its pair from the first start on, so that an API may change its algorithm and verifiers have the key.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import select

from ..accounts.models import Person
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now, serialise
from ..errors import Refused
from ..runtime import changed, runtime
from . import rotation
from .algorithms import ES256, HS256, PUBLISHED_SIGNING, new_key, public_half
from .models import GOOD, KeyState, SigningKey
from .rotation import MAX_AGE_S, STALE_S

NODES_TAKE_S = 5  # to apply a new configuration: a second, mostly


def ensure_signing_keys() -> None:
    """Of each algorithm an active key and a next one, at the first start."""
    serialise("signing keys")
    there = {(key.alg, key.state) for key in published_keys()}
    wanted = [(alg, state) for alg in PUBLISHED_SIGNING for state in (KeyState.ACTIVE, KeyState.NEXT)]
    missing = [pair for pair in wanted if pair not in there]
    for alg, state in missing:
        _create(alg, state)
    if missing:
        changed()


def rotate_signing_key(
    alg: str = ES256, *, by: Person | None = None, at_once: bool = False, at: datetime | None = None
) -> SigningKey:
    """next -> active, active -> retiring, and a fresh next. Refused while verifiers may not have the next key yet."""
    serialise("signing keys")
    moment = at or now()
    keys = [key for key in published_keys() if key.alg == alg]
    coming = next((k for k in keys if k.state == KeyState.NEXT), None)
    if coming is None:
        raise Refused(f"There is no key for {alg}. The algorithms are {', '.join(PUBLISHED_SIGNING)}.")
    left_s = rotation.lead_left_s(coming, moment)
    if left_s > 0 and not at_once:
        raise Refused(
            f"The next key has been published for {(rotation.PUBLISH_LEAD_S - left_s) / 60:.0f} minutes only. Verifiers "
            f"may not have it yet; wait {max(1, left_s / 60):.0f} more."
        )
    for key in keys:
        if key.state == KeyState.ACTIVE:
            rotation.begin_retiring(key, moment)
    _promote(coming, moment)
    record(Action.SIGNING_KEY_ROTATED, coming, by=by, changes={"alg": alg})
    return coming


def _promote(coming: SigningKey, moment: datetime) -> None:
    db.session.flush()  # there may be one active key only, at every moment
    rotation.activate(coming, moment)
    _create(coming.alg, KeyState.NEXT, at=moment)
    changed()


def revoke_signing_key(key: SigningKey, *, by: Person | None) -> None:
    """It is unpublished now, and every token that it signed is refused. The next one takes over; for the secret of one API a
    new one, because gateways hold tokens without any to the published keys."""
    serialise("signing keys")
    db.session.refresh(key)
    if key.state not in GOOD:
        raise Refused(f"That key is {key.state} already.")
    before, moment = key.state, now()
    rotation.end_at_once(key, moment)
    db.session.flush()
    if key.version_id == 0 and before == KeyState.NEXT:
        _create(key.alg, KeyState.NEXT)
    elif key.version_id == 0 and before == KeyState.ACTIVE:
        _promote(next(k for k in published_keys() if k.alg == key.alg and k.state == KeyState.NEXT), moment)
    elif before == KeyState.ACTIVE and (coming := _waiting_secret(key.version_id)) is not None:
        rotation.activate(coming, moment)
    elif before == KeyState.ACTIVE:
        _create(HS256, KeyState.ACTIVE, key.version_id)
    changed()
    record(Action.SIGNING_KEY_REVOKED, key, by=by, changes={"state": [before, KeyState.REVOKED], "alg": key.alg})


def rotate_due_signing_keys(every: timedelta, at: datetime | None = None) -> None:
    """What the schedule asks for: rotate what has signed for long enough, wipe what has lingered long enough."""
    moment = at or now()
    serialise("signing keys")
    for key in _good_keys():
        if rotation.has_lingered(key, moment):
            rotation.retire(key, moment)
            changed()
            record(Action.SIGNING_KEY_RETIRED, key, changes={"alg": key.alg})
    for key in published_keys():
        ready = key.state == KeyState.ACTIVE and rotation.is_due(key, moment, every)
        if ready and rotation.lead_left_s(_next_of(key), moment) <= 0:
            rotate_signing_key(key.alg, at=moment)


def _next_of(key: SigningKey) -> SigningKey:
    return next(k for k in published_keys() if k.alg == key.alg and k.state == KeyState.NEXT)


def ensure_shared_secret(version_id: int) -> None:
    """The HS256 secret of one API version."""
    if not shared_secrets(version_id):
        _create(HS256, KeyState.ACTIVE, version_id)
        changed()


def end_shared_secrets(version_id: int) -> None:
    """The API signs otherwise now: whoever has its secret makes no more tokens."""
    for key in shared_secrets(version_id):
        rotation.end_at_once(key, now())
        changed()


def make_shared_secret(version_id: int, *, by: Person) -> dict[str, Any]:
    """The next HS256 secret as a JWK, to be shown once. Gateways take it at once, and the API's backend when it is given to it;
    only then it is put to use. One that waits already is replaced."""
    serialise("signing keys")
    if (waiting := _waiting_secret(version_id)) is not None:
        rotation.retire(waiting, now())
    key = _create(HS256, KeyState.NEXT, version_id)
    changed()
    record(Action.SHARED_SECRET_CREATED, key, by=by, changes={"version_id": version_id})
    return secret_jwk(key)


def _waiting_secret(version_id: int) -> SigningKey | None:
    return next((key for key in shared_secrets(version_id) if key.state == KeyState.NEXT), None)


def use_shared_secret(version_id: int, *, by: Person, at_once: bool = False) -> None:
    """The next secret signs from now on. The one before is good until its last token has expired."""
    serialise("signing keys")
    moment = now()
    coming = _waiting_secret(version_id)
    if coming is None:
        raise Refused("There is no new secret. Create one, and give it to the API's backend first.")
    if (moment - coming.created_at).total_seconds() < NODES_TAKE_S and not at_once:
        raise Refused(f"The gateways are still taking it. Try again in {NODES_TAKE_S} seconds.")
    for key in shared_secrets(version_id):
        if key.state == KeyState.ACTIVE:
            rotation.begin_retiring(key, moment)
    db.session.flush()
    rotation.activate(coming, moment)
    changed()
    record(Action.SHARED_SECRET_ROTATED, coming, by=by, changes={"version_id": version_id})


def secret_jwk(key: SigningKey) -> dict[str, Any]:
    """The secret itself, for the node that verifies with it and for the admin who asked for it."""
    return dict(orjson.loads(open_private(key))) | {"kid": key.kid, "alg": key.alg, "use": "sig"}


def open_private(key: SigningKey) -> bytes:
    return runtime().ring.open(key.private_sealed, f"signing_key.private.{key.kid}")


def _create(alg: str, state: KeyState, version_id: int = 0, at: datetime | None = None) -> SigningKey:
    kid, pair = new_key(alg)
    moment = at or now()
    key = SigningKey(
        kid=kid,
        alg=alg,
        version_id=version_id,
        state=state,
        public_jwk=public_half(pair, kid, alg, "sig"),
        private_sealed=runtime().ring.seal(orjson.dumps(pair.as_dict(private=True)), f"signing_key.private.{kid}"),
        created_at=moment,
        activated_at=moment if state == KeyState.ACTIVE else None,
    )
    db.session.add(key)
    db.session.flush()
    return key


def _good_keys() -> list[SigningKey]:
    query = select(SigningKey).where(SigningKey.state.in_(GOOD)).order_by(SigningKey.created_at, SigningKey.kid)
    return list(db.session.scalars(query))


def published_keys() -> list[SigningKey]:
    """Those that a good token may be signed with, whoever it is for."""
    return [key for key in _good_keys() if key.version_id == 0]


def shared_secrets(version_id: int = 0) -> list[SigningKey]:
    """Of one version, or of all."""
    return [k for k in _good_keys() if k.version_id and (not version_id or k.version_id == version_id)]


def jwks() -> dict[str, list[dict[str, object]]]:
    """RFC 7517 section 5: the public halves of every key a good token may be signed with."""
    return {"keys": [key.public_jwk for key in published_keys()]}


CACHE_CONTROL = f"public, max-age={MAX_AGE_S}, stale-while-revalidate={STALE_S}"
