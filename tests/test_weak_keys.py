"""Public keys that somebody registers: weak ones, private ones and those for something else are refused."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwcrypto.jwk import JWK

from console.credentials.algorithms import (
    PUBLIC_ENCRYPTION,
    PUBLISHED_SIGNING,
    check_public_jwk,
    check_public_jwks,
)
from console.errors import Refused

from .forge import b64

pytestmark = pytest.mark.filterwarnings("ignore:Key size should be")  # joserfc says so; we refuse
SIG, ENC = ("sig", PUBLISHED_SIGNING), ("enc", PUBLIC_ENCRYPTION)
PURPOSES = pytest.mark.parametrize("purpose", [SIG, ENC], ids=["sig", "enc"])


@cache
def made(kind: str, secret: bool = False) -> dict[str, Any]:
    """A key pair's public half, or all of it."""
    kty, _, rest = kind.partition(" ")
    more: dict[str, Any] = {"size": int(rest)} if rest.isdigit() else {"crv": rest}
    return dict(JWK.generate(kty=kty, **more).export(private_key=secret, as_dict=True))


def rsa_key(bits: int, exponent: int = 65537) -> dict[str, Any]:
    numbers = rsa.generate_private_key(exponent, bits).public_key().public_numbers()
    return rsa_numbers(numbers.n, numbers.e)


def rsa_numbers(n: int, e: int) -> dict[str, Any]:
    n_bytes, e_bytes = (v.to_bytes(max(1, (v.bit_length() + 7) // 8)) for v in (n, e))
    return {"kty": "RSA", "n": b64(n_bytes), "e": b64(e_bytes)}


def without_kid(jwk: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in jwk.items() if k != "kid"}


GOOD = [
    (SIG, "EC P-256", "ES256"),
    (SIG, "RSA 2048", "RS256"),
    (SIG, "RSA 3072", "RS256"),
    (SIG, "OKP Ed25519", "EdDSA"),
    (ENC, "EC P-256", "ECDH-ES+A256KW"),
    (ENC, "OKP X25519", "ECDH-ES+A256KW"),
    (ENC, "RSA 2048", "RSA-OAEP-256"),
]


@pytest.mark.parametrize(("purpose", "kind", "alg"), GOOD)
def test_good_keys(purpose: tuple[str, Any], kind: str, alg: str) -> None:
    jwk = without_kid(made(kind))
    checked = check_public_jwk(jwk, *purpose)
    assert (checked["alg"], checked["use"]) == (alg, purpose[0])
    assert checked["kid"] == JWK(**jwk).thumbprint()
    assert check_public_jwk(checked, *purpose) == checked
    assert check_public_jwk(jwk | {"kid": "mine"}, *purpose)["kid"] == "mine"


def test_an_rsa_key_may_say_ps256() -> None:
    assert check_public_jwk(made("RSA 2048") | {"alg": "PS256"}, *SIG)["alg"] == "PS256"


@PURPOSES
@pytest.mark.parametrize("kind", ["EC P-384", "EC P-521", "EC secp256k1", "OKP Ed448", "OKP X448"])
def test_other_curves(purpose: tuple[str, Any], kind: str) -> None:
    with pytest.raises(Refused):
        check_public_jwk(made(kind), *purpose)


@pytest.mark.parametrize(("purpose", "kind"), [(SIG, "OKP X25519"), (ENC, "OKP Ed25519")])
def test_a_key_of_the_other_purpose(purpose: tuple[str, Any], kind: str) -> None:
    with pytest.raises(Refused, match="something else"):
        check_public_jwk(made(kind), *purpose)


@PURPOSES
@pytest.mark.parametrize(("bits", "exponent"), [(1024, 65537), (1536, 65537), (2048, 3)])
def test_weak_rsa_keys(purpose: tuple[str, Any], bits: int, exponent: int) -> None:
    with pytest.raises(Refused, match="weak"):
        check_public_jwk(rsa_key(bits, exponent), *purpose)


@PURPOSES
@pytest.mark.parametrize(
    ("n", "e"),
    [(2**2048 - 2, 65537), (2**2047 + 1, 1), (2**2047 + 1, 65536), (2**8200 - 1, 65537), (0, 65537), (65537, 65537)],
    ids=["even", "e one", "e even", "huge", "zero", "tiny"],
)
def test_rsa_numbers_that_are_no_key(purpose: tuple[str, Any], n: int, e: int) -> None:
    with pytest.raises(Refused):
        check_public_jwk(rsa_numbers(n, e), *purpose)


@PURPOSES
@pytest.mark.parametrize("kind", ["EC P-256", "RSA 2048", "OKP Ed25519", "OKP X25519", "oct 256"])
def test_private_keys_and_secrets(purpose: tuple[str, Any], kind: str) -> None:
    with pytest.raises(Refused, match=r"private|secret"):
        check_public_jwk(made(kind, secret=True), *purpose)


@PURPOSES
@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_one_private_member_is_enough(purpose: tuple[str, Any], member: str) -> None:
    with pytest.raises(Refused, match="private"):
        check_public_jwk(made("RSA 2048") | {member: ""}, *purpose)


ZERO, ONE = b64(bytes(32)), b64(b"\x01" + bytes(31))
LOW_ORDER = [
    *[("X25519", point) for point in (
        ZERO, ONE, b64(b"\xec" + b"\xff" * 30 + b"\x7f"), b64(b"\xed" + b"\xff" * 30 + b"\x7f"),
        b64(b"\xee" + b"\xff" * 30 + b"\x7f"),
        b64(bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")),
        b64(bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")),
    )],
    *[("Ed25519", point) for point in (
        ZERO, ONE, b64(b"\xec" + b"\xff" * 30 + b"\x7f"),
        b64(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")),
        b64(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")),
    )],
]  # fmt: skip


@pytest.mark.parametrize(("curve", "point"), LOW_ORDER)
def test_points_of_low_order(curve: str, point: str) -> None:
    """What is agreed on with one of them, or signed by it, everybody knows."""
    with pytest.raises(Refused):
        check_public_jwk({"kty": "OKP", "crv": curve, "x": point}, *(ENC if curve == "X25519" else SIG))


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "EC", "crv": "P-256", "x": ZERO, "y": ZERO},
        {"kty": "EC", "crv": "P-256", "x": b64(b"a" * 32), "y": b64(b"a" * 32)},
        {"kty": "EC", "crv": "P-256", "x": b64(b"a" * 32)},
        {"kty": "EC", "crv": ["P-256"], "x": ZERO, "y": ZERO},
        {"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(31))},
        {"kty": "OKP", "crv": "Ed25519"},
        {"kty": ["EC"]}, {"kty": "ec"}, {"kty": None}, {},
        [], "x", None, 1, [{"kty": "EC"}],
        {"kty": "RSA", "n": 5, "e": "AQAB"},
        {"kty": "RSA", "n": "é", "e": "AQAB"},
        {"kty": "RSA", "n": "", "e": ""},
    ],
)  # fmt: skip
def test_what_is_no_key(jwk: Any) -> None:
    for purpose in (SIG, ENC):
        with pytest.raises(Refused):
            check_public_jwk(jwk, *purpose)


@pytest.mark.parametrize(
    "more",
    [
        {"use": "enc"}, {"use": "SIG"}, {"use": ["sig"]}, {"use": None}, {"alg": "ES384"}, {"alg": "none"}, {"alg": "HS256"},
        {"alg": "RS256"}, {"alg": ["ES256"]}, {"alg": "ECDH-ES"}, {"kid": ""}, {"kid": 1}, {"kid": ["a"]}, {"kid": "a\n"},
        {"kid": "a" * 129}, {"kid": "\x00"},
    ],
)  # fmt: skip
def test_members_that_say_something_else(more: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        check_public_jwk(without_kid(made("EC P-256")) | more, *SIG)


class TestSets:
    def test_what_is_for_something_else_is_left_out(self) -> None:
        keys = [
            made("EC P-256") | {"kid": "a"},
            made("EC P-384") | {"kid": "b"},
            made("OKP Ed25519") | {"kid": "c", "use": "enc"},
        ]
        assert [k["kid"] for k in check_public_jwks({"keys": keys}, *SIG)] == ["a"]

    @pytest.mark.parametrize("other", [made("oct 256", secret=True), made("EC P-384", secret=True), {"k": "a"}])
    def test_a_mixed_set(self, other: dict[str, Any]) -> None:
        with pytest.raises(Refused, match="private key or a shared secret"):
            check_public_jwks({"keys": [made("EC P-256"), other]}, *SIG)

    def test_two_keys_with_one_kid(self) -> None:
        keys = [made("EC P-256") | {"kid": "a"}, made("OKP Ed25519") | {"kid": "a"}]
        with pytest.raises(Refused, match="same kid"):
            check_public_jwks({"keys": keys}, *SIG)

    @pytest.mark.parametrize(
        "said",
        [{}, [], None, {"keys": []}, {"keys": {}}, {"keys": [1]}, {"keys": [{}]}, {"keys": [made("EC P-256")] * 21}],
    )
    def test_what_is_no_set(self, said: Any) -> None:
        with pytest.raises(Refused):
            check_public_jwks(said, *SIG)

    def test_weak_keys_alone_are_no_set(self) -> None:
        with pytest.raises(Refused, match="no good key"):
            check_public_jwks({"keys": [rsa_key(1024)]}, *SIG)
