"""The public key of the trail, for whoever checks an export."""

from __future__ import annotations

from ..web.machine import Answer, Asked, Route, json_answer
from .checkpoints import public_key
from .proof import key_id


def key(asked: Asked) -> Answer:
    """As a JWK Set (RFC 7517, RFC 8037)."""
    public = public_key()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": public, "kid": key_id(public), "use": "sig", "alg": "EdDSA"}
    return json_answer({"keys": [jwk]})


ROUTES = [Route("GET", "/.well-known/gatewright-audit.json", "nobody", key)]
