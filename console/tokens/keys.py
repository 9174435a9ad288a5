"""Keys parsed once per process: loading an RSA key costs a thousand times what using it does.

Which keys there are is read again with every change; what was parsed stays, because an id never means another key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import jwt
import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwk
from joserfc.jwe import JWERegistry
from jwt.algorithms import ECAlgorithm
from sqlalchemy import select

from ..credentials import encryption, signing
from ..credentials.algorithms import ES256
from ..credentials.models import EncryptionKey, KeyState, SigningKey
from ..db import db
from ..errors import Refused
from ..runtime import remembered, runtime, up_to_date

T = TypeVar("T")
LOOK_AGAIN_S = 0.01  # and no more often, whatever ids are made up
OPENING = (KeyState.ACTIVE, KeyState.RETIRING)


@dataclass(frozen=True)
class Verifier:
    """One key, one algorithm. ``version_id``: the only API whose tokens it is good for; 0: any."""

    kid: str
    alg: str
    algorithm: Any
    key: Any
    version_id: int = 0


@dataclass(frozen=True)
class Signer(Verifier):
    pass


@dataclass(frozen=True)
class Encrypter:
    kid: str
    alg: str
    enc: str
    key: Any
    registry: JWERegistry
    is_managed: bool = True


@dataclass(frozen=True)
class Decrypter(Encrypter):
    version_id: int = 0


class _Es256(ECAlgorithm):
    """PyJWT's ES256 (RFC 7518 section 3.4), which makes no new curve, hash and scheme object for each signature."""

    SCHEME = ECDSA(SHA256())

    def sign(self, msg: bytes, key: Any) -> bytes:
        r, s = decode_dss_signature(key.sign(msg, self.SCHEME))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        if len(sig) != 64:
            return False
        try:
            key.verify(
                encode_dss_signature(int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big")), msg, self.SCHEME
            )
        except InvalidSignature:
            return False
        return True


def algorithm(alg: str) -> Any:
    """The object that signs and verifies with that algorithm, one for all."""
    return _ES256 if alg == ES256 else jwt.get_algorithm_by_name(alg)


_ES256 = _Es256(SHA256, SECP256R1)


def load(alg: str, jwk_text: str | bytes) -> Any:
    """A key object for PyJWT's algorithm of that name (RFC 7517 to key)."""
    text = jwk_text if isinstance(jwk_text, str) else jwk_text.decode()
    return algorithm(alg).from_jwk(text)


def _parsed(kind: str, identity: object, parse: Callable[[], Any]) -> Any:
    parsed = runtime().parsed
    if (kind, identity) not in parsed:
        parsed[kind, identity] = parse()
    return parsed[kind, identity]


def signer(alg: str = ES256, version_id: int = 0) -> Signer:
    """The active key of ``alg``; for HS256 the one that ``version_id`` shares with us."""
    return remembered(("signer", alg, version_id), lambda: _read_signer(alg, version_id))


def _read_signer(alg: str, version_id: int) -> Signer:
    query = select(SigningKey).where(
        SigningKey.state == KeyState.ACTIVE, SigningKey.alg == alg, SigningKey.version_id == version_id
    )
    row = db.session.scalars(query).first()
    if row is None:
        raise Refused(f"There is no active signing key for {alg}. Run `gatewright keys rotate`.")
    key = _parsed("private", row.kid, lambda: load(alg, signing.open_private(row)))
    return Signer(row.kid, alg, algorithm(alg), key, version_id)


def _newly(look: Callable[[], T | None]) -> T | None:
    """What ``look`` finds. Another worker may have made a key a moment ago, so after nothing it looks again."""
    found = look()
    if found is None:
        up_to_date(LOOK_AGAIN_S)
        found = look()
    return found


def verifier(kid: str) -> Verifier | None:
    return _newly(lambda: remembered("verifiers", _read_verifiers).get(kid))


def _read_verifiers() -> dict[str, Verifier]:
    found = {}
    for row in (*signing.published_keys(), *signing.shared_secrets()):
        found[row.kid] = _verifier_of(row)
    return found


def _verifier_of(row: SigningKey) -> Verifier:
    key = _parsed("public", row.kid, lambda: load(row.alg, _verifying(row)))
    return Verifier(row.kid, row.alg, algorithm(row.alg), key, row.version_id)


def _verifying(row: SigningKey) -> bytes:
    return signing.open_private(row) if row.version_id else orjson.dumps(row.public_jwk)


def encrypter(version_id: int) -> Encrypter | None:
    """What tokens for that version are encrypted with now."""
    return remembered(("encrypter", version_id), lambda: _read_encrypter(version_id))


def _read_encrypter(version_id: int) -> Encrypter | None:
    row = encryption.active_key(version_id)
    if row is None:
        return None
    key = _parsed("box", row.id, lambda: jwk.import_key(_box(row)))
    return Encrypter(row.kid, row.alg, row.enc, key, _registry(row.alg, row.enc), row.is_managed)


def _box(row: EncryptionKey) -> dict[str, Any]:
    # a shared secret (A256KW) has no public half
    return row.public_jwk or dict(orjson.loads(encryption.open_private(row)))


def decrypter(kid: str) -> Decrypter | None:
    """The private half of one of our keys, by its id."""
    row_id = _newly(lambda: remembered("openable", _read_openable).get(kid))
    return None if row_id is None else remembered(("decrypter", row_id), lambda: _read_decrypter(row_id))


def _read_openable() -> dict[str, int]:
    query = select(EncryptionKey.kid, EncryptionKey.id).where(
        EncryptionKey.state.in_(OPENING), EncryptionKey.private_sealed != ""
    )
    return {row.kid: row.id for row in db.session.execute(query)}


def is_in_use(kid: str, version_id: int) -> bool:
    """Whether a token of that version may be encrypted to the key: for one that only the API can open."""
    look = partial(remembered, ("sealing", version_id), lambda: _read_sealing(version_id))
    return _newly(lambda: kid in look() or None) is not None


def _read_sealing(version_id: int) -> frozenset[str]:
    query = select(EncryptionKey.kid).where(EncryptionKey.version_id == version_id, EncryptionKey.state.in_(OPENING))
    return frozenset(db.session.scalars(query))


def _read_decrypter(row_id: int) -> Decrypter:
    row = db.session.get_one(EncryptionKey, row_id)
    key = _parsed("opener", row.id, lambda: jwk.import_key(orjson.loads(encryption.open_private(row))))
    return Decrypter(row.kid, row.alg, row.enc, key, _registry(row.alg, row.enc), True, row.version_id)


def _registry(alg: str, enc: str) -> JWERegistry:
    return JWERegistry(algorithms=[alg, enc])
