"""Tokens of every kind, there and back, with a second implementation that shares no code with ours: jwcrypto."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from jwcrypto import jwe, jwk, jws, jwt
from sqlalchemy import select

from console.accounts.models import Person
from console.credentials import encryption, signing
from console.credentials.algorithms import CONTENT, HS256, SIGNING
from console.credentials.models import KeyState, SigningKey
from console.db import db
from console.tokens.verify import InvalidToken, verify

from .conftest import make_cast
from .forge import unb64
from .profiles import KEY_MANAGEMENT, Kind, encrypted_kind, signed_kinds


@pytest.fixture(scope="module")
def alice(module_app: Flask, password_hash: str) -> Iterator[Person]:
    cast = make_cast(module_app, password_hash)
    with module_app.app_context():
        yield db.session.get_one(Person, cast.alice)


@pytest.fixture(scope="module")
def signed(alice: Person) -> dict[str, Kind]:
    return signed_kinds(alice)


def head(text: str) -> dict[str, Any]:
    return dict(json.loads(unb64(text.split(".")[0])))


def private_signing_key(kind: Kind) -> tuple[str, jwk.JWK]:
    """Its id, and the key itself."""
    version_id = kind.version_id if kind.signing_alg == HS256 else 0
    query = select(SigningKey).where(
        SigningKey.alg == kind.signing_alg, SigningKey.state == KeyState.ACTIVE, SigningKey.version_id == version_id
    )
    row = db.session.scalars(query).one()
    return row.kid, jwk.JWK.from_json(signing.open_private(row).decode())


def signed_by_jwcrypto(kind: Kind, claims: dict[str, Any]) -> str:
    kid, key = private_signing_key(kind)
    made = jws.JWS(json.dumps(claims))
    made.add_signature(key, None, json.dumps({"alg": kind.signing_alg, "kid": kid, "typ": "at+jwt"}))
    return str(made.serialize(compact=True))


def another(claims: dict[str, Any]) -> dict[str, Any]:
    return claims | {"jti": uuid.uuid4().hex, "scope": "made elsewhere"}


@pytest.mark.parametrize("alg", SIGNING)
def test_what_we_sign_jwcrypto_verifies(signed: dict[str, Kind], alg: str) -> None:
    text = signed[alg].token()
    assert head(text)["alg"] == alg
    published = jwk.JWKSet.from_json(json.dumps(signing.jwks()))
    read = jwt.JWT(jwt=text, key=private_signing_key(signed[alg])[1] if alg == HS256 else published, algs=[alg])
    assert json.loads(read.claims) == verify(text).claims


@pytest.mark.parametrize("alg", SIGNING)
def test_what_jwcrypto_signs_we_verify(signed: dict[str, Kind], alg: str) -> None:
    claims = another(verify(signed[alg].token()).claims)
    assert verify(signed_by_jwcrypto(signed[alg], claims)).claims == claims


@pytest.fixture(scope="module", params=[f"{alg} {curve}" for alg, curve in KEY_MANAGEMENT])
def encrypted(request: pytest.FixtureRequest, alice: Person) -> dict[str, Kind]:
    """By content algorithm; inside, each signing algorithm in turn."""
    alg, curve = request.param.split()
    first = 100 + 10 * request.param_index
    return {
        enc: encrypted_kind(
            alice, first + place, alg, curve, enc, SIGNING[(request.param_index + place) % len(SIGNING)]
        )
        for place, enc in enumerate(CONTENT)
    }


@pytest.mark.parametrize("enc", CONTENT)
def test_what_we_encrypt_jwcrypto_opens(encrypted: dict[str, Kind], enc: str) -> None:
    kind = encrypted[enc]
    text, row = kind.token(), encryption.active_key(kind.version_id)
    assert row
    assert (head(text)["alg"], head(text)["enc"], head(text)["kid"]) == (row.alg, enc, row.kid)
    opened = jwe.JWE(algs=[row.alg, enc])
    opened.deserialize(text, key=jwk.JWK.from_json(encryption.open_private(row).decode()))
    assert opened.payload.decode() == verify(text).inner
    assert json.loads(unb64(opened.payload.decode().split(".")[1])) == verify(text).claims


@pytest.mark.parametrize("enc", CONTENT)
def test_what_jwcrypto_encrypts_we_open(encrypted: dict[str, Kind], enc: str) -> None:
    kind = encrypted[enc]
    row, claims = encryption.active_key(kind.version_id), another(verify(kind.token()).claims)
    assert row
    key = json.dumps(row.public_jwk) if row.public_jwk else encryption.open_private(row).decode()
    for cty in ("JWT", "at+jwt"):
        header = {"alg": row.alg, "enc": enc, "kid": row.kid, "cty": cty}
        made = jwe.JWE(signed_by_jwcrypto(kind, claims), json.dumps(header), algs=[row.alg, enc])
        made.add_recipient(jwk.JWK.from_json(key))
        found = verify(made.serialize(compact=True))
        assert (found.claims, found.encrypted_for) == (claims, kind.version_id)


def test_a_key_has_one_content_algorithm(encrypted: dict[str, Kind]) -> None:
    """jwcrypto would encrypt with any; ours takes the one that the profile says."""
    kind = encrypted[CONTENT[0]]
    row = encryption.active_key(kind.version_id)
    assert row
    key = json.dumps(row.public_jwk) if row.public_jwk else encryption.open_private(row).decode()
    made = jwe.JWE(
        verify(kind.token()).inner, json.dumps({"alg": row.alg, "enc": CONTENT[1], "kid": row.kid, "cty": "JWT"})
    )
    made.add_recipient(jwk.JWK.from_json(key))
    with pytest.raises(InvalidToken):
        verify(made.serialize(compact=True))
