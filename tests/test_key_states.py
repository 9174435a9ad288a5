"""What a key's state means for the tokens that it signed, or that are encrypted to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask
from joserfc import jwe, jwk
from sqlalchemy import select

from console.accounts.models import Person
from console.apis.models import ApiVersion
from console.config import Config
from console.credentials import encryption, rotation, signing
from console.credentials.algorithms import PUBLISHED_SIGNING
from console.credentials.models import EncryptionKey, KeyState, SigningKey
from console.db import db, now, unit_of_work
from console.runtime import runtime
from console.tokens.issue import Profile, issue_token, sign
from console.tokens.keys import Signer, load, signer
from console.tokens.verify import InvalidToken, verify

from .conftest import Cast, World, publish_another
from .forge import b64, unb64, with_unused_bits
from .homes import running


def token(world: World, **profile: Any) -> str:
    made = issue_token(
        client_id=world.client_id, audience=world.audience, scope="", lifetime_s=300, profile=Profile(**profile)
    )
    return made.text


def soon() -> None:
    """As if the quarter of a second had passed for which a process may remember."""
    runtime().checked_at = -1.0


@pytest.fixture
def app_context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def alice(app_context: None, cast: Cast) -> Person:
    return db.session.get_one(Person, cast.alice)


def the_key(alg: str, state: KeyState) -> SigningKey:
    return next(k for k in signing.published_keys() if (k.alg, k.state) == (alg, state))


@pytest.mark.parametrize("alg", PUBLISHED_SIGNING)
def test_signing_keys(world: World, alice: Person, alg: str) -> None:
    text = token(world, signing_alg=alg)
    coming = the_key(alg, KeyState.NEXT)
    early = sign(dict(verify(text).claims), signer_of(coming))
    assert verify(early).claims == verify(text).claims  # published, so good
    with unit_of_work():
        signing.rotate_signing_key(alg, by=alice, at_once=True)
    soon()
    assert signer(alg).kid == coming.kid
    assert verify(text).jti == verify(early).jti  # the one before is retiring
    with unit_of_work():
        signing.revoke_signing_key(the_key(alg, KeyState.ACTIVE), by=alice)
    soon()
    assert_refused(early, "not published")
    verify(text)
    with unit_of_work():
        later = now() + timedelta(seconds=rotation.LINGER_S + 1)
        signing.rotate_due_signing_keys(timedelta(), at=later)
    soon()
    assert_refused(text, "not published")
    ended = select(SigningKey.private_sealed).where(SigningKey.state.in_((KeyState.RETIRED, KeyState.REVOKED)))
    assert set(db.session.scalars(ended)) == {""}


def signer_of(key: SigningKey) -> Signer:
    return Signer(key.kid, key.alg, signer(key.alg).algorithm, load(key.alg, signing.open_private(key)))


def assert_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidToken, match=why):
        verify(text)


def test_a_shared_secret_that_was_replaced_is_good_until_its_last_token_has_expired(app: Flask, alice: Person) -> None:
    with unit_of_work():
        version = publish_another(alice, 2, ["signed"], signing_alg="HS256")
    profile = {"version_id": version.id, "signing_alg": "HS256"}
    text = token(World(version.id, 0, "app-1", version.audience), **profile)
    with unit_of_work():
        signing.make_shared_secret(version.id, by=alice)
        signing.use_shared_secret(version.id, by=alice, at_once=True)
    soon()
    assert verify(text).claims["aud"] == version.audience
    with unit_of_work():
        signing.rotate_due_signing_keys(timedelta(), at=now() + timedelta(seconds=rotation.LINGER_S + 1))
    soon()
    assert_refused(text, "not published")


def test_managed_encryption_keys(world: World, alice: Person) -> None:
    text = token(world, version_id=world.version_id, encrypted=True)
    version = db.session.get_one(ApiVersion, world.version_id)
    with unit_of_work():
        encryption.rotate_encryption_key(version, by=alice)
    soon()
    fresh = token(world, version_id=world.version_id, encrypted=True)
    assert verify(text).encrypted_for == verify(fresh).encrypted_for == world.version_id
    with unit_of_work():
        encryption.revoke_encryption_key(key_of(version, KeyState.RETIRING), version, by=alice)
    soon()
    assert_refused(text, "encrypted to a key that we do not have")
    verify(fresh)
    with unit_of_work():
        encryption.revoke_encryption_key(key_of(version, KeyState.ACTIVE), version, by=alice)
    soon()
    assert_refused(fresh, "encrypted to a key that we do not have")
    verify(token(world, version_id=world.version_id, encrypted=True))  # a new key took over


def test_a_worker_that_has_not_noticed_yet_reads_what_another_made(
    config: Config, app: Flask, cast: Cast, world: World, tmp_path: Path
) -> None:
    """It may remember for a quarter of a second which keys there are; a token with a new one makes it look again."""
    with running(config) as other:
        with other.app_context(), unit_of_work():
            shared = publish_another(db.session.get_one(Person, cast.alice), 2, ["signed"], signing_alg="HS256")
        elsewhere = {"version_id": shared.id, "signing_alg": "HS256"}
        theirs = World(shared.id, 0, "app-1", shared.audience)
        with app.app_context():  # reads all keys
            soon()
            verify(token(world, version_id=world.version_id, encrypted=True))
            verify(token(theirs, **elsewhere))
        with other.app_context():
            with unit_of_work():
                alice = db.session.get_one(Person, cast.alice)
                encryption.rotate_encryption_key(db.session.get_one(ApiVersion, world.version_id), by=alice)
                signing.make_shared_secret(shared.id, by=alice)
                signing.use_shared_secret(shared.id, by=alice, at_once=True)
            soon()
            made = [token(world, version_id=world.version_id, encrypted=True), token(theirs, **elsewhere)]
        with app.app_context():
            runtime().checked_at = time.monotonic() - 0.1
            assert [verify(text).claims["aud"] for text in made] == [world.audience, shared.audience]


def key_of(version: ApiVersion, state: KeyState) -> EncryptionKey:
    query = select(EncryptionKey).where(EncryptionKey.version_id == version.id, EncryptionKey.state == state)
    return db.session.scalars(query).one()


@pytest.fixture
def sealing(alice: Person) -> World:
    """An API whose tokens nobody but itself can open, with a key of its own that it has proven."""
    with unit_of_work():
        version = publish_another(alice, 2, ["encrypted"])
        own = jwk.ECKey.generate_key("P-256", private=True)
        key, challenge = encryption.register_key(version, own.as_dict(private=False), by=alice)
        answer = jwe.decrypt_compact(challenge, own, algorithms=["ECDH-ES+A256KW", "A256GCM"]).plaintext
        encryption.prove_key(key, (answer or b"").decode(), version, by=alice)
        version.key_source = "jwk"
        encryption.ensure_encryption_key(version)
    return World(version.id, 0, "app-1", version.audience)


def sealed_token(world: World) -> str:
    with unit_of_work():
        return token(world, version_id=world.version_id, encrypted=True)


def test_a_sealed_token_is_known_by_its_text_alone(sealing: World) -> None:
    text = sealed_token(sealing)
    assert verify(text).claims["aud"] == sealing.audience
    assert verify(text).is_sealed
    head, *rest = text.split(".")
    tag = rest[-1]
    other = orjson.dumps(orjson.loads(unb64(head)) | {"kid": "other"})
    for changed in (
        text.removesuffix(tag) + with_unused_bits(tag),
        text + "=",
        text + "==",
        text[:-1] + "é",
        text.replace("-", "+").replace("_", "/") + "\n",
        ".".join([b64(other), *rest]),
    ):
        with pytest.raises(InvalidToken):
            verify(changed)


def test_a_sealed_token_ends_with_its_key(sealing: World, alice: Person) -> None:
    text, version = sealed_token(sealing), db.session.get_one(ApiVersion, sealing.version_id)
    verify(text)
    with unit_of_work():
        encryption.revoke_encryption_key(key_of(version, KeyState.ACTIVE), version, by=alice)
    soon()
    assert_refused(text, "encrypted")


def test_a_sealed_token_outlives_the_key_that_was_replaced(sealing: World, alice: Person) -> None:
    text, version = sealed_token(sealing), db.session.get_one(ApiVersion, sealing.version_id)
    with unit_of_work():
        version.key_source = "managed"
        encryption.ensure_encryption_key(version)
    soon()
    assert verify(text).is_sealed
