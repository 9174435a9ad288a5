"""Keys parsed once per process and generation: loading one costs a thousand times what using it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jwt
import orjson
from joserfc import jwk
from joserfc.jwe import JWERegistry
from jwt.algorithms import ECAlgorithm
from sqlalchemy import select

from ..credentials.models import EncryptionKey, KeyState, SigningKey
from ..credentials.signing import published_keys
from ..db import db
from ..errors import Refused
from ..runtime import remembered, runtime


@dataclass(frozen=True)
class Verifier:
    """One key, one algorithm."""

    kid: str
    alg: str
    algorithm: Any
    key: Any


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


@dataclass(frozen=True)
class Decrypter(Encrypter):
    version_id: int


def signer() -> Signer:
    return remembered("signer", _read_signer)


def _read_signer() -> Signer:
    row = db.session.scalars(select(SigningKey).where(SigningKey.state == KeyState.ACTIVE)).first()
    if row is None:
        raise Refused("There is no active signing key. Run `gatewright keys rotate`.")
    private = runtime().ring.open(row.private_sealed, f"signing_key.private.{row.kid}")
    return Signer(row.kid, row.alg, jwt.get_algorithm_by_name(row.alg), ECAlgorithm.from_jwk(private.decode()))


def verifier(kid: str) -> Verifier | None:
    return remembered("verifiers", _read_verifiers).get(kid)


def _read_verifiers() -> dict[str, Verifier]:
    return {
        row.kid: Verifier(
            row.kid,
            row.alg,
            jwt.get_algorithm_by_name(row.alg),
            ECAlgorithm.from_jwk(orjson.dumps(row.public_jwk).decode()),
        )
        for row in published_keys()
    }


def encrypter(version_id: int) -> Encrypter | None:
    return remembered(("encrypter", version_id), lambda: _read_encrypter(version_id))


def _read_encrypter(version_id: int) -> Encrypter | None:
    query = (
        select(EncryptionKey).where(EncryptionKey.version_id == version_id).order_by(EncryptionKey.created_at.desc())
    )
    row = db.session.scalars(query.limit(1)).first()
    if row is None:
        return None
    registry = JWERegistry(algorithms=[row.alg, row.enc])
    return Encrypter(row.kid, row.alg, row.enc, jwk.import_key(row.public_jwk), registry)


def decrypter(kid: str) -> Decrypter | None:
    return remembered(("decrypter", kid), lambda: _read_decrypter(kid))


def _read_decrypter(kid: str) -> Decrypter | None:
    row = db.session.get(EncryptionKey, kid)
    if row is None:
        return None
    private = orjson.loads(runtime().ring.open(row.private_sealed, f"encryption_key.private.{kid}"))
    registry = JWERegistry(algorithms=[row.alg, row.enc])
    return Decrypter(row.kid, row.alg, row.enc, jwk.import_key(private), registry, row.version_id)
