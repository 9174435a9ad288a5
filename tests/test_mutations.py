"""A hundred thousand changes of good tokens: each is refused as `InvalidToken`, or it changed nothing that counts."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator

import pytest
from flask import Flask

from console.accounts.models import Person
from console.db import db
from console.tokens.issue import sign
from console.tokens.keys import signer, verifier
from console.tokens.verify import InvalidToken, verify

from .conftest import make_cast
from .forge import b64, unb64
from .profiles import encrypted_kinds, signed_kinds

SEED, MANY = 20261124, 100_000
CHARACTERS = 'ABCXYZabcxyz0189-_.=+/ {}"\x00é\ud800'
VALUES = [
    None,
    True,
    0,
    -1,
    2**63,
    1e300,
    10**9,
    "",
    "a\x00",
    "none",
    "HS256",
    "ES256",
    "A256GCM",
    "dir",
    [],
    {},
    ["alg"],
    "A" * 300,
]


@pytest.fixture(scope="module")
def good(module_app: Flask, password_hash: str) -> Iterator[list[str]]:
    """A token of each kind."""
    cast = make_cast(module_app, password_hash)
    with module_app.app_context():
        alice = db.session.get_one(Person, cast.alice)
        yield [kind.token(3600) for kind in (signed_kinds(alice) | encrypted_kinds(alice)).values()]


@pytest.mark.parametrize("part", range(4))
def test_only_invalid_token_leaves_the_verifier(good: list[str], part: int) -> None:
    chance = random.Random(f"{SEED} {part}")
    claims = {text: verify(text).claims for text in good}
    for number in range(part * MANY // 4, (part + 1) * MANY // 4):
        text = good[number % len(good)]
        changed = mutated(text, good, chance)
        with contextlib.suppress(InvalidToken):
            assert verify(changed).claims in (claims[text], claims.get(changed)), (SEED, part, number, changed)


def test_whatever_a_well_signed_token_says(good: list[str]) -> None:
    """Who shares a secret with us may sign anything."""
    chance, kept = random.Random(SEED), 0
    shared = next(text for text in good if '"HS256"' in unb64(text.split(".")[0]).decode())
    key, said = signer("HS256", verifier_of(shared)), verify(shared).claims
    for number in range(10_000):
        claims = dict(said)
        for name in chance.sample([*said, "nbf", "cnf", "act"], chance.randint(1, 2)):
            claims[name] = chance.choice(VALUES)
        try:
            found = verify(sign(claims, key))
        except InvalidToken:
            continue
        kept += 1
        assert found.claims == claims, (SEED, number)
        assert (found.claims["aud"], type(found.jkt), found.claims["exp"]) == (said["aud"], str, said["exp"])
    assert kept > 500


def verifier_of(text: str) -> int:
    found = verifier(json.loads(unb64(text.split(".")[0]))["kid"])
    assert found
    return found.version_id


def mutated(text: str, others: list[str], chance: random.Random) -> str:
    for _ in range(chance.randint(1, 3)):
        text = chance.choice(MUTATIONS)(text, others, chance)
    return text


def one_character(text: str, others: list[str], chance: random.Random) -> str:
    place = chance.randrange(len(text) + 1)
    return text[:place] + chance.choice(CHARACTERS) + text[place + 1 :]


def a_few_more(text: str, others: list[str], chance: random.Random) -> str:
    place = chance.randrange(len(text) + 1)
    return text[:place] + chance.choice(CHARACTERS) * chance.randint(1, 5) + text[place:]


def a_few_less(text: str, others: list[str], chance: random.Random) -> str:
    place = chance.randrange(len(text) + 1)
    return text[:place] + text[place + chance.randint(1, 40) :]


def one_bit(text: str, others: list[str], chance: random.Random) -> str:
    parts = text.split(".")
    here = chance.randrange(len(parts))
    with contextlib.suppress(ValueError):
        raw = bytearray(unb64(parts[here]))
        if raw:
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        parts[here] = b64(bytes(raw))
    return ".".join(parts)


def other_order(text: str, others: list[str], chance: random.Random) -> str:
    parts = text.split(".")
    chance.shuffle(parts)
    return ".".join(parts)


def a_part_of_another(text: str, others: list[str], chance: random.Random) -> str:
    parts, donor = text.split("."), chance.choice(others).split(".")
    parts[chance.randrange(len(parts))] = chance.choice(donor)
    return ".".join(parts)


def another_header(text: str, others: list[str], chance: random.Random) -> str:
    head, dot, rest = text.partition(".")
    try:
        said = json.loads(unb64(head))
    except ValueError:
        return text
    if isinstance(said, dict) and said:
        said[chance.choice([*said, "crit", "zip", "jku", "p2c", "apu", "iv", "tag"])] = chance.choice(VALUES)
    return b64(json.dumps(said, separators=(",", ":"))) + dot + rest


MUTATIONS = [one_character, a_few_more, a_few_less, one_bit, one_bit, other_order, a_part_of_another, another_header]
