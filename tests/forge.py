"""What crafted tokens are made with."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from joserfc import jwe, jwk
from joserfc.jwe import JWERegistry

from console.accounts.models import Person
from console.applications.clients import audience_of
from console.credentials.signing import secret_jwk, shared_secrets
from console.db import db, unit_of_work
from console.tokens.issue import Profile, issue_token
from console.tokens.keys import Encrypter, Signer, encrypter, signer

from .conftest import Cast, World, publish_another

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def b64(data: bytes | str | dict[str, Any]) -> str:
    if isinstance(data, dict):
        data = json.dumps(data)
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def with_unused_bits(segment: str) -> str:
    """The same bytes, with a bit set that base64 does not use."""
    assert len(segment) % 4
    return segment[:-1] + ALPHABET[ALPHABET.index(segment[-1]) | 1]


def twice(head: dict[str, Any], name: str, value: str) -> str:
    """JSON in which ``name`` is there twice."""
    return "{" + f'"{name}":"{value}",' + json.dumps(head)[1:]


def publish_more(app: Flask, cast: Cast) -> tuple[int, int]:
    """Beside the first API one whose tokens are signed with a shared secret, and one that takes encrypted tokens only, whose
    content key is agreed on directly."""
    with app.app_context(), unit_of_work():
        alice = db.session.get_one(Person, cast.alice)
        shared = publish_another(alice, 2, ["signed"], signing_alg="HS256")
        sealed = publish_another(alice, 3, ["encrypted"], encryption_alg="ECDH-ES")
        return shared.id, sealed.id


class Forge:
    """What an attacker has: a good token of each kind, the public keys, her own keys. And, to prove that each check
    stands by itself, what she has not: the signing key.

    ``shared``, ``other``: further API versions, see `publish_more`. ``url``: where nobody may be asked for keys.
    """

    url = "http://127.0.0.1:1/keys"

    def __init__(self, world: World, shared: int, other: int) -> None:
        self.common: dict[str, Any] = {
            "client_id": world.client_id, "audience": world.audience, "scope": "orders:read", "lifetime_s": 300,
        }  # fmt: skip
        self.signed = issue_token(**self.common).text
        self.encrypted = issue_token(**self.common, profile=Profile(world.version_id, encrypted=True)).text
        self.head, self.claims = (json.loads(unb64(p)) for p in self.signed.split(".")[:2])
        self.direct = issue_token(**self.common, profile=Profile(other, encrypted=True)).text
        self.outer = json.loads(unb64(self.encrypted.split(".")[0]))
        self.signer = signer()
        self.box, self.other_box = encrypter(world.version_id), encrypter(other)
        self.own = ec.generate_private_key(ec.SECP256R1())
        self.public = self.signer.key.public_key()
        self.hmac_signer = signer("HS256", shared)
        self.hmac_secret = unb64(secret_jwk(shared_secrets(shared)[0])["k"])
        self.hmac_audience = audience_of(shared)

    def sign(self, head: Any = None, claims: Any = None, key: Any = None) -> str:
        """Signed by the true key, unless told otherwise: the signature is good, something else is not."""
        text = f"{b64(self.head if head is None else head)}.{b64(self.claims if claims is None else claims)}"
        return f"{text}.{b64(self.signer.algorithm.sign(text.encode(), key or self.signer.key))}"

    def sign_as(self, alg: str, by: Signer, /, **head: Any) -> str:
        """With ``by``'s key and id, but another algorithm."""
        text = f"{b64(self.head | {'alg': alg, 'kid': by.kid} | head)}.{b64(self.claims)}"
        return f"{text}.{b64(signer(alg).algorithm.sign(text.encode(), by.key))}"

    def mac(self, secret: bytes, claims: dict[str, Any] | None = None, **head: Any) -> str:
        text = f"{b64(self.head | {'alg': 'HS256'} | head)}.{b64(self.claims | (claims or {}))}"
        return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"

    def share(self, **claims: Any) -> str:
        """Signed with the secret that the API ``shared`` has."""
        return self.mac(self.hmac_secret, claims, kid=self.hmac_signer.kid)

    def raw(self, signature: bytes | str) -> str:
        text = self.signed.rsplit(".", 1)[0]
        return f"{text}.{b64(signature) if isinstance(signature, bytes) else signature}"

    def seal(self, inside: str | bytes, box: Encrypter | None = None, **head: Any) -> str:
        """Encrypted to the API's public key, which anybody may know."""
        box = box or self.box
        assert box
        header = {"alg": box.alg, "enc": box.enc, "kid": box.kid, "typ": "at+jwt", "cty": "JWT"} | head
        header = {k: v for k, v in header.items() if v is not None}
        registry = JWERegistry(algorithms=[header["alg"], header["enc"], "DEF"], strict_check_header=False)
        return jwe.encrypt_compact(
            header, inside if isinstance(inside, bytes) else inside.encode(), box.key, registry=registry
        )

    def seal_directly(self) -> str:
        """With the shared signing secret as the content key."""
        header = {"alg": "dir", "enc": "A256GCM", "kid": self.hmac_signer.kid, "typ": "at+jwt", "cty": "JWT"}
        key = jwk.OctKey.import_key(self.hmac_secret)
        registry = JWERegistry(algorithms=["dir", "A256GCM"])
        return jwe.encrypt_compact(header, self.signed.encode(), key, registry=registry)

    def reseal(self, **changes: Any) -> str:
        """The good encrypted token under another header."""
        header = {k: v for k, v in (self.outer | changes).items() if v is not None}
        return ".".join([b64(orjson.dumps(header)), *self.encrypted.split(".")[1:]])

    def epk(self, **changes: Any) -> str:
        epk = {k: v for k, v in (self.outer["epk"] | changes).items() if v is not None}
        return self.reseal(epk=epk)

    def cut(self, place: int, change: Callable[[bytes], bytes]) -> str:
        parts = self.encrypted.split(".")
        parts[place] = b64(change(unb64(parts[place])))
        return ".".join(parts)

    def pem(self) -> bytes:
        return self.public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def der(self) -> bytes:
        return self.public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    def jwk(self, **more: Any) -> dict[str, Any]:
        return jwk.ECKey.import_key(self.own.public_key()).as_dict(private=False) | more

    def der_signature(self) -> bytes:
        return self.signer.key.sign(self.signed.rsplit(".", 1)[0].encode(), ec.ECDSA(hashes.SHA256()))

    def signature(self) -> str:
        return self.signed.rsplit(".", 1)[1]

    def other_signature(self) -> str:
        """n - s is as good as s: the one change that leaves a token good."""
        raw = unb64(self.signature())
        return self.raw(raw[:32] + (P256_ORDER - int.from_bytes(raw[32:])).to_bytes(32))

    def without(self, *names: str) -> dict[str, Any]:
        return {k: v for k, v in self.claims.items() if k not in names}

    def saying(self, name: str, json_text: str) -> str:
        """Well signed, with that claim written as ``json_text``."""
        return self.sign(claims=json.dumps(self.without(name))[:-1] + f',"{name}":{json_text}}}')
