"""Tokens that somebody crafted: every one is refused as `InvalidToken`, quickly, and nothing else leaves the verifier."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask

from console.db import unit_of_work
from console.gateway.decisions import CredentialRefused, unwrap
from console.runtime import runtime
from console.tokens.actions import revoke_jti
from console.tokens.verify import InvalidToken, verify

from .attacks import ATTACKS, FOR_OTHERS
from .conftest import make_cast, make_world
from .forge import Forge, publish_more

QUICK_S = 0.1  # of computing; far below it


@pytest.fixture(scope="module")
def forge(module_app: Flask, password_hash: str) -> Iterator[Forge]:
    cast = make_cast(module_app, password_hash)
    world, more = make_world(module_app, cast), publish_more(module_app, cast)
    with module_app.app_context():
        forge = Forge(world, *more)
        verify(forge.signed), verify(forge.encrypted)
        yield forge


@pytest.fixture(scope="module")
def listener(forge: Forge) -> Iterator[socket.socket]:
    """Where some of the attacks want the keys to be asked for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        forge.url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
        yield listener


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_quickly(forge: Forge, listener: socket.socket, name: str) -> None:
    text = ATTACKS[name](forge)
    started = time.thread_time()
    with pytest.raises(InvalidToken) as refused:
        verify(text)
    assert time.thread_time() - started < QUICK_S
    assert forge.signed[-20:] not in refused.value.reason
    assert len(refused.value.reason) < 200
    with pytest.raises(BlockingIOError):  # nobody came to ask
        listener.accept()


@pytest.mark.parametrize("name", FOR_OTHERS)
def test_a_token_for_another_api_is_refused(forge: Forge, name: str) -> None:
    with pytest.raises(CredentialRefused) as refused:
        unwrap(FOR_OTHERS[name](forge), forge.claims["aud"])
    assert refused.value.status == 401


def test_the_list_is_complete() -> None:
    """28 is the one that the specification allows, see below; there is no 67 to 69."""
    numbers = {int(found[1]) for name in ATTACKS | FOR_OTHERS if (found := re.match(r"(\d+)", name))}
    assert numbers == set(range(1, 107)) - {28, 67, 68, 69}


def test_28_the_other_form_of_a_signature_is_good_until_its_id_is_revoked(forge: Forge) -> None:
    """n - s is as good as s, so what is revoked is the id and never the text."""
    assert forge.other_signature() != forge.signed
    assert verify(forge.other_signature()).jti == verify(forge.signed).jti
    assert verify(forge.seal(forge.other_signature())).jti == verify(forge.signed).jti
    with unit_of_work():
        revoke_jti(forge.claims["jti"], datetime.fromtimestamp(forge.claims["exp"], UTC))
    time.sleep(0.3)  # what a process remembers is at most this old
    for text in (forge.signed, forge.other_signature(), forge.seal(forge.signed), forge.seal(forge.other_signature())):
        with pytest.raises(InvalidToken, match="revoked"):
            verify(text)


def test_the_good_ones_are_let_in(forge: Forge) -> None:
    """Else nothing that is refused above would prove anything."""
    good = forge.share(aud=forge.hmac_audience, jti="of-its-own")
    assert verify(good).claims["aud"] == forge.hmac_audience
    assert verify(forge.encrypted).inner.count(".") == 2
    assert verify(forge.direct).inner.count(".") == 2
    assert verify(forge.sign(claims=forge.claims | {"jti": "another"})).jti == "another"
    assert unwrap(forge.encrypted, forge.claims["aud"]).signed == verify(forge.encrypted).inner


def test_hostile_names_are_not_remembered(forge: Forge) -> None:
    for number in range(20):
        with pytest.raises(InvalidToken):
            verify(forge.reseal(kid=f"{number}" * 2000))
    assert not [key for key in runtime().memory if len(str(key)) > 500]
