"""Every way in which tokens can be made: each signing algorithm, each key management and content algorithm."""

from __future__ import annotations

from dataclasses import dataclass

from console.accounts.models import Person
from console.apis.models import ApiVersion
from console.credentials.algorithms import CONTENT, HS256, SIGNING
from console.db import unit_of_work
from console.tokens.issue import Profile, issue_token

from .conftest import publish_another

KEY_MANAGEMENT = [
    ("ECDH-ES+A256KW", "P-256"),
    ("ECDH-ES+A256KW", "X25519"),
    ("ECDH-ES", "P-256"),
    ("ECDH-ES", "X25519"),
    ("RSA-OAEP-256", "P-256"),
    ("A256KW", "P-256"),
]


@dataclass(frozen=True)
class Kind:
    """An API version and how its tokens are made."""

    version_id: int
    audience: str
    signing_alg: str
    encrypted: bool

    @property
    def profile(self) -> Profile:
        return Profile(self.version_id, self.signing_alg, self.encrypted)

    def token(self, lifetime_s: int = 600) -> str:
        return issue_token(
            client_id="app-1", audience=self.audience, scope="orders:read", lifetime_s=lifetime_s, profile=self.profile
        ).text


def signed_kinds(alice: Person) -> dict[str, Kind]:
    """By algorithm; each of an API version of its own."""
    found = {}
    for place, alg in enumerate(SIGNING):
        with unit_of_work():
            version = publish_another(alice, 10 + place, ["signed"], signing_alg=alg)
        found[alg] = Kind(version.id, version.audience, alg, False)
    assert HS256 in found
    return found


def encrypted_kind(alice: Person, number: int, alg: str, curve: str, enc: str, signing_alg: str = "ES256") -> Kind:
    profile = {"encryption_alg": alg, "encryption_curve": curve, "content_alg": enc, "signing_alg": signing_alg}
    with unit_of_work():
        version: ApiVersion = publish_another(alice, number, ["encrypted"], **profile)
    return Kind(version.id, version.audience, signing_alg, True)


def encrypted_kinds(alice: Person) -> dict[str, Kind]:
    """By key management, with each content algorithm and each signing algorithm in turn."""
    found = {}
    for place, (alg, curve) in enumerate(KEY_MANAGEMENT):
        enc, signing_alg = CONTENT[place % len(CONTENT)], SIGNING[place % len(SIGNING)]
        found[f"{alg} {curve} {enc}"] = encrypted_kind(alice, 20 + place, alg, curve, enc, signing_alg)
    return found
