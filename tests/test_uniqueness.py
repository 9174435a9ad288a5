"""E14: no two tokens share an id, a nonce, an ephemeral key or a content-encryption key, in a hundred thousand of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from console.accounts.models import Person
from console.db import db, unit_of_work
from console.tokens.issue import Profile, encrypt, issue_token
from console.tokens.keys import encrypter
from console.tokens.verify import verify

from .conftest import make_cast, publish_another

MANY, SOME = 100_000, 10_000
EPHEMERAL, KEY, NONCE, CIPHERTEXT, TAG = range(5)  # where each is; the ephemeral key is in the header


@pytest.fixture(scope="module")
def alice(module_app: Flask, password_hash: str) -> Iterator[Person]:
    cast = make_cast(module_app, password_hash)
    with module_app.app_context():
        yield db.session.get_one(Person, cast.alice)


def test_ids(alice: Person) -> None:
    common = {"client_id": "app-1", "audience": "https://api.example", "scope": "", "lifetime_s": 60}
    assert len({issue_token(**common).jti for _ in range(MANY)}) == MANY  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "alg", "curve", "many", "distinct"),
    [
        (1, "ECDH-ES+A256KW", "X25519", MANY, (EPHEMERAL, KEY, NONCE, CIPHERTEXT, TAG)),
        (2, "ECDH-ES+A256KW", "P-256", SOME, (EPHEMERAL, KEY, NONCE, CIPHERTEXT, TAG)),
        (3, "ECDH-ES", "P-256", SOME, (EPHEMERAL, NONCE, CIPHERTEXT, TAG)),
        (4, "RSA-OAEP-256", "P-256", SOME, (KEY, NONCE, CIPHERTEXT, TAG)),
        (5, "A256KW", "P-256", SOME, (KEY, NONCE, CIPHERTEXT, TAG)),  # it wraps equal keys alike, so these are the keys
    ],
)
def test_what_encrypts_a_token(
    alice: Person, number: int, alg: str, curve: str, many: int, distinct: tuple[int, ...]
) -> None:
    with unit_of_work():
        profile = {"encryption_alg": alg, "encryption_curve": curve}
        version = publish_another(alice, number, ["encrypted"], **profile)
    key, inner = encrypter(version.id), issue_token(
        client_id="app-1", audience=version.audience, scope="", lifetime_s=600, profile=Profile(version.id)
    ).text  # fmt: skip
    assert key
    seen: list[set[int]] = [set() for _ in range(5)]
    for _ in range(many):
        for found, part in zip(seen, encrypt(inner, key).split("."), strict=True):
            found.add(hash(part))
    assert [len(seen[place]) for place in distinct] == [many] * len(distinct)
    assert verify(encrypt(inner, key)).inner == inner
