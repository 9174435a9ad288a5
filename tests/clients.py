"""Clients that sign who they are (RFC 7523, RFC 10070) and prove that they have a key (RFC 9449)."""

from __future__ import annotations

import hashlib
import time
import uuid
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from flask import Flask
from flask.testing import FlaskClient

from .forge import b64

ISSUER = "http://127.0.0.1:8000"
TOKEN = f"{ISSUER}/oauth/token"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT = {"grant_type": "client_credentials"}
Changes = dict[str, Any]  # of claims or headers; None takes one away


def private_key(alg: str) -> Any:
    if alg == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate() if alg == "EdDSA" else rsa.generate_private_key(65537, 2048)


def changed(values: dict[str, Any], changes: Changes) -> dict[str, Any]:
    return {k: v for k, v in (values | changes).items() if v is not None}


@dataclass(frozen=True)
class KeyPair:
    """What a client holds; the server knows the public half."""

    alg: str
    private: Any

    @classmethod
    def of(cls, alg: str) -> KeyPair:
        return cls(alg, private_key(alg))

    @property
    def public(self) -> dict[str, Any]:
        if not hasattr(self.private, "public_key"):
            return {}  # an attacker's secret, or nothing at all
        said = dict(jwt.get_algorithm_by_name(self.alg).to_jwk(self.private.public_key(), as_dict=True))
        return {k: v for k, v in said.items() if k != "key_ops"}

    def sign(self, claims: dict[str, Any], headers: dict[str, Any]) -> str:
        """Whatever it says: no library looks at it."""
        text = f"{b64({'alg': self.alg} | headers)}.{b64(claims)}"
        return f"{text}.{b64(jwt.get_algorithm_by_name(self.alg).sign(text.encode(), self.private))}"

    def assertion(self, client_id: str, head: Changes | None = None, /, **changes: Any) -> str:
        moment = int(time.time())
        claims = {"iss": client_id, "sub": client_id, "aud": ISSUER, "iat": moment, "exp": moment + 300}
        head = changed({"typ": "client-authentication+jwt"}, head or {})
        return self.sign(changed(claims | {"jti": uuid.uuid4().hex}, changes), head)

    def proof(self, url: str, method: str, token: str = "", head: Changes | None = None, /, **changes: Any) -> str:
        claims = {"htm": method, "htu": url, "iat": int(time.time()), "jti": uuid.uuid4().hex}
        if token:
            claims["ath"] = b64(hashlib.sha256(token.encode()).digest())
        return self.sign(changed(claims, changes), changed({"typ": "dpop+jwt", "jwk": self.public}, head or {}))


def by_assertion(browser: FlaskClient, assertion: str, path: str = "token", /, **form: str) -> Any:
    form = GRANT | {"client_assertion_type": TYPE, "client_assertion": assertion} | form
    return browser.post(f"/oauth/{path}", data=form)


def forget(app: Flask) -> None:
    """As if the quarter of a second had passed for which a process may remember."""
    app.extensions["gatewright"].checked_at = -1.0
