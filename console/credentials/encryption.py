"""The key pair of an API version: tokens for it are encrypted to the public half; the decision point opens them.

ECDH-ES+A256KW with A256GCM on P-256 (RFC 7518 sections 4.6 and 5.3): every token gets its own content key.
"""

from __future__ import annotations

import orjson
from joserfc.jwk import ECKey
from sqlalchemy import select

from ..db import db
from ..runtime import runtime
from .models import EncryptionKey

ALG, ENC = "ECDH-ES+A256KW", "A256GCM"


def ensure_encryption_key(version_id: int) -> EncryptionKey:
    key = db.session.scalars(select(EncryptionKey).where(EncryptionKey.version_id == version_id)).first()
    return key or create_encryption_key(version_id)


def create_encryption_key(version_id: int) -> EncryptionKey:
    pair = ECKey.generate_key("P-256", private=True)
    kid = pair.thumbprint()
    private = orjson.dumps(pair.as_dict(private=True))
    key = EncryptionKey(
        kid=kid,
        version_id=version_id,
        alg=ALG,
        enc=ENC,
        public_jwk=dict(pair.as_dict(private=False)) | {"kid": kid, "use": "enc", "alg": ALG},
        private_sealed=runtime().ring.seal(private, f"encryption_key.private.{kid}"),
    )
    db.session.add(key)
    db.session.flush()
    return key
