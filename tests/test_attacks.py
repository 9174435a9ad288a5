"""Tokens that somebody crafted: every one is refused as `InvalidToken`, quickly, and nothing else leaves the verifier.

The list follows RFC 8725 and the published faults of JWT libraries. Everything is made here, nothing is stored.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import random
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from joserfc import jwe, jwk
from joserfc.jwe import JWERegistry

from console.gateway.decisions import CredentialRefused, unwrap
from console.runtime import runtime
from console.tokens.compact import LONGEST
from console.tokens.issue import Profile, issue_token
from console.tokens.keys import encrypter, signer
from console.tokens.verify import InvalidToken, verify

from .conftest import World

QUICK_S = 0.1  # of computing; far below it


def b64(data: bytes | str | dict[str, Any]) -> str:
    if isinstance(data, dict):
        data = json.dumps(data)
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Forge:
    """What an attacker has: a good token of each kind, the public keys, her own keys. And, to prove that each check
    stands by itself, what she has not: the signing key."""

    def __init__(self, world: World) -> None:
        common = {"client_id": world.client_id, "audience": world.audience, "scope": "orders:read", "lifetime_s": 300}
        self.signed = issue_token(**common).text  # type: ignore[arg-type]
        self.encrypted = issue_token(**common, profile=Profile(world.version_id, encrypted=True)).text  # type: ignore[arg-type]
        self.head, self.claims = (json.loads(unb64(p)) for p in self.signed.split(".")[:2])
        self.outer = json.loads(unb64(self.encrypted.split(".")[0]))
        self.signer = signer()
        self.box = encrypter(world.version_id)
        self.own = ec.generate_private_key(ec.SECP256R1())
        self.public = self.signer.key.public_key()

    def sign(self, head: Any = None, claims: Any = None, key: Any = None) -> str:
        """Signed by the true key, unless told otherwise: the signature is good, something else is not."""
        text = f"{b64(self.head if head is None else head)}.{b64(self.claims if claims is None else claims)}"
        return f"{text}.{b64(self.signer.algorithm.sign(text.encode(), key or self.signer.key))}"

    def mac(self, secret: bytes, **head: Any) -> str:
        text = f"{b64(self.head | {'alg': 'HS256'} | head)}.{b64(self.claims)}"
        return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"

    def raw(self, signature: bytes | str) -> str:
        text = self.signed.rsplit(".", 1)[0]
        return f"{text}.{b64(signature) if isinstance(signature, bytes) else signature}"

    def seal(self, inside: str | bytes, **head: Any) -> str:
        """Encrypted to the API's public key, which anybody may know."""
        assert self.box
        header = {"alg": self.box.alg, "enc": self.box.enc, "kid": self.box.kid, "typ": "at+jwt", "cty": "JWT"} | head
        header = {k: v for k, v in header.items() if v is not None}
        registry = JWERegistry(algorithms=[header["alg"], header["enc"], "DEF"], strict_check_header=False)
        return jwe.encrypt_compact(
            header, inside if isinstance(inside, bytes) else inside.encode(), self.box.key, registry=registry
        )

    def reseal(self, **changes: Any) -> str:
        """The good encrypted token under another header."""
        header = {k: v for k, v in (self.outer | changes).items() if v is not None}
        return ".".join([b64(header), *self.encrypted.split(".")[1:]])

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

    def without(self, *names: str) -> dict[str, Any]:
        return {k: v for k, v in self.claims.items() if k not in names}

    def bits(self) -> str:
        """The same signature with a bit set that base64 does not use."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        return self.signature()[:-1] + alphabet[alphabet.index(self.signature()[-1]) | 1]

    def epk(self, **changes: Any) -> str:
        epk = {k: v for k, v in (self.outer["epk"] | changes).items() if v is not None}
        return self.reseal(epk=epk)


def dup(head: dict[str, Any], name: str, value: str) -> str:
    return "{" + f'"{name}":"{value}",' + json.dumps(head)[1:]


P384 = {
    "kty": "EC",
    **{k: v for k, v in jwk.ECKey.generate_key("P-384").as_dict(private=False).items() if k in ("crv", "x", "y")},
}
X25519 = {"kty": "OKP", "crv": "X25519", "x": b64(bytes(32))}
NOW = time.time()

ATTACKS: dict[str, Callable[[Forge], str]] = {
    # the algorithm
    "alg none": lambda f: f"{b64(f.head | {'alg': 'none'})}.{b64(f.claims)}.",
    "alg nOnE": lambda f: f"{b64(f.head | {'alg': 'nOnE'})}.{b64(f.claims)}.",
    "alg none with a signature": lambda f: f.sign(f.head | {"alg": "none"}),
    "no signature": lambda f: f.raw(b""),
    "no alg": lambda f: f.sign({k: v for k, v in f.head.items() if k != "alg"}),
    "alg a list": lambda f: f.sign(f.head | {"alg": ["ES256"]}),
    "HS256 with the PEM": lambda f: f.mac(f.pem()),
    "HS256 with the PEM, CRLF": lambda f: f.mac(f.pem().replace(b"\n", b"\r\n")),
    "HS256 with the DER": lambda f: f.mac(f.der()),
    "HS256 with the JWK": lambda f: f.mac(json.dumps(jwk.ECKey.import_key(f.public).as_dict(private=False)).encode()),
    "HS256 with nothing": lambda f: f.mac(b""),
    "ES384": lambda f: f.sign(f.head | {"alg": "ES384"}),
    "ES256K": lambda f: f.sign(f.head | {"alg": "ES256K"}),
    "PS256": lambda f: f.sign(f.head | {"alg": "PS256"}),
    # keys in the header
    "jwk embedded": lambda f: f.sign(f.head | {"jwk": f.jwk()}, key=f.own),
    "jwk embedded under our kid": lambda f: f.sign(f.head | {"jwk": f.jwk(kid=f.head["kid"])}, key=f.own),
    "jku to metadata": lambda f: f.sign(f.head | {"jku": "http://169.254.169.254/"}),
    "x5u": lambda f: f.sign(f.head | {"x5u": "http://169.254.169.254/"}),
    "x5c": lambda f: f.sign(f.head | {"x5c": [base64.b64encode(f.der()).decode()]}),
    "kid a path": lambda f: f.mac(b"", kid="../../../dev/null"),
    "kid SQL": lambda f: f.mac(b"x", kid="' UNION SELECT 'x"),
    "kid a list": lambda f: f.sign(f.head | {"kid": [f.head["kid"]]}),
    "kid an object": lambda f: f.sign(f.head | {"kid": {"a": 1}}),
    "kid missing": lambda f: f.sign({k: v for k, v in f.head.items() if k != "kid"}),
    "kid with NUL": lambda f: f.sign(f.head | {"kid": f.head["kid"] + "\x00"}),
    "kid of an encryption key": lambda f: f.sign(f.head | {"kid": f.box.kid if f.box else ""}),
    "another's key under our kid": lambda f: f.sign(key=f.own),
    # crit
    "crit unknown": lambda f: f.sign(f.head | {"crit": ["a"], "a": 1}),
    "crit empty": lambda f: f.sign(f.head | {"crit": []}),
    "crit alg": lambda f: f.sign(f.head | {"crit": ["alg"]}),
    "b64 false": lambda f: f.sign(f.head | {"crit": ["b64"], "b64": False}),
    # the signature
    "r and s zero": lambda f: f.raw(bytes(64)),
    "r and s the order": lambda f: f.raw(
        bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551") * 2
    ),
    "signature as DER": lambda f: f.raw(f.der_signature()),
    "signature padded with zeros": lambda f: f.raw(
        bytes(1) + unb64(f.signature())[:32] + bytes(1) + unb64(f.signature())[32:]
    ),
    "signature one byte longer": lambda f: f.raw(unb64(f.signature()) + b"\x00"),
    "unused bits": lambda f: f.raw(f.bits()),
    "padding": lambda f: f.raw(f.signature() + "=="),
    "a blank": lambda f: f.raw(f.signature() + " "),
    "a line end": lambda f: f.raw(f.signature() + "\n"),
    "marks": lambda f: f.raw(f.signature() + "!!!!"),
    "standard alphabet": lambda f: f.raw("+/" + f.signature()[2:]),
    "claims changed": lambda f: ".".join([f.signed.split(".")[0], b64(f.claims | {"scope": "admin"}), f.signature()]),
    # JSON
    "alg twice": lambda f: f.sign(dup(f.head, "alg", "none")),
    "sub twice": lambda f: f.sign(claims=dup(f.claims, "sub", "root")),
    "claims a list": lambda f: f.sign(claims="[1]"),
    "claims nothing": lambda f: f.sign(claims="null"),
    "claims deep": lambda f: f.sign(claims="[" * 1500 + "]" * 1500),
    "header deep": lambda f: f.sign(json.dumps(f.head)[:-1] + ',"a":' + "[" * 1500 + "]" * 1500 + "}"),
    "BOM": lambda f: f.sign(claims=b"\xef\xbb\xbf" + json.dumps(f.claims).encode()),
    "UTF-16": lambda f: f.sign(claims=json.dumps(f.claims).encode("utf-16")),
    "not UTF-8": lambda f: f.sign(claims=json.dumps(f.claims).encode()[:-1] + b',"a":"\xff"}'),
    "a thousand names": lambda f: f"{b64({str(i): 0 for i in range(700)})}.{b64(f.claims)}.{f.signature()}",
    # time
    **{
        f"exp {name}": lambda f, v=value: f.sign(claims=json.dumps(f.without("exp"))[:-1] + f',"exp":{v}}}')
        for name, value in {
            "Infinity": "Infinity",
            "-Infinity": "-Infinity",
            "NaN": "NaN",
            "true": "true",
            "text": '"9999999999"',
            "1e400": "1e400",
            "null": "null",
            "a list": "[9999999999]",
            "past": str(int(NOW - 60)),
            "0": "0",
            "negative": "-1",
        }.items()
    },
    "exp missing": lambda f: f.sign(claims=f.without("exp")),
    "nbf future": lambda f: f.sign(claims=f.claims | {"nbf": NOW + 600}),
    "nbf a text": lambda f: f.sign(claims=f.claims | {"nbf": "0"}),
    "iat future": lambda f: f.sign(claims=f.claims | {"iat": NOW + 600}),
    # claims
    **{
        f"{name} missing": lambda f, n=name: f.sign(claims=f.without(n))
        for name in ("iss", "sub", "aud", "client_id", "iat", "jti")
    },
    "iss a list": lambda f: f.sign(claims=f.claims | {"iss": [f.claims["iss"]]}),
    "iss longer": lambda f: f.sign(claims=f.claims | {"iss": f.claims["iss"] + ".evil.example"}),
    "iss shorter": lambda f: f.sign(claims=f.claims | {"iss": f.claims["iss"][:-1]}),
    "iss with a slash": lambda f: f.sign(claims=f.claims | {"iss": f.claims["iss"] + "/"}),
    "sub a list": lambda f: f.sign(claims=f.claims | {"sub": [f.claims["sub"]]}),
    "jti a number": lambda f: f.sign(claims=f.claims | {"jti": 1}),
    # type
    **{
        f"typ {typ}": lambda f, t=typ: f.sign(f.head | {"typ": t})
        for typ in ("JWT", "dpop+jwt", "id_token+jwt", "logout+jwt", "", None)
    },
    "typ missing": lambda f: f.sign({k: v for k, v in f.head.items() if k != "typ"}),
    # forms
    "JSON serialization": lambda f: json.dumps(
        dict(zip(("protected", "payload", "signature"), f.signed.split("."), strict=True))
    ),
    "JSON without signatures": lambda f: json.dumps({"payload": f.signed.split(".")[1], "signatures": []}),
    "JSON around a compact one": lambda f: json.dumps({"a": f.signed}),
    "a megabyte of claims": lambda f: f.sign(claims=f.claims | {"a": "a" * 1_000_000}),
    "a megabyte of header": lambda f: f.sign(f.head | {"kid": "a" * 1_000_000}),
    "100,000 dots": lambda f: "." * 100_000,
    "just too long": lambda f: "a" * (LONGEST + 1),
    "nothing": lambda f: "",
    "dots": lambda f: "..",
    "four dots": lambda f: "....",
    "two segments": lambda f: f.signed.rsplit(".", 1)[0],
    "four segments": lambda f: f.signed + ".a",
    "six segments": lambda f: f.encrypted + ".a",
    "letters beyond ASCII": lambda f: f.signed[:-1] + "é",
    "a surrogate": lambda f: f.signed[:-1] + "\ud800",
    "NUL": lambda f: f.signed + "\x00",
    "a blank before": lambda f: " " + f.signed,
    # nested
    "JWE of bare claims": lambda f: f.seal(json.dumps(f.claims)),
    "JWE of alg none": lambda f: f.seal(f"{b64(f.head | {'alg': 'none'})}.{b64(f.claims)}."),
    "JWE of another's signature": lambda f: f.seal(f.sign(key=f.own)),
    "JWE of an embedded jwk": lambda f: f.seal(f.sign(f.head | {"jwk": f.jwk()}, key=f.own)),
    "JWE in JWE": lambda f: f.seal(f.encrypted),
    "JWE of nothing": lambda f: f.seal(""),
    "JWE of noise": lambda f: f.seal(b"\xff\xfe\x00"),
    "JWE of an expired token": lambda f: f.seal(f.sign(claims=f.claims | {"exp": 1})),
    "JWE without cty": lambda f: f.seal(f.signed, cty=None),
    "JWE cty other": lambda f: f.seal(f.signed, cty="json"),
    "zip bomb": lambda f: f.seal(zlib.compress(b"a" * 4_000_000, 9)[2:-4], zip="DEF"),
    "zip at all": lambda f: f.seal(f.signed, zip="DEF"),
    "zip in the header": lambda f: f.reseal(zip="DEF"),
    "PBES2 with endless rounds": lambda f: f.reseal(
        alg="PBES2-HS256+A128KW", p2c=2**31 - 1, p2s="YWFhYWFhYWE", epk=None
    ),
    "PBES2 with many rounds": lambda f: f.reseal(alg="PBES2-HS512+A256KW", p2c=300_000, p2s="YWFhYWFhYWE", epk=None),
    "RSA1_5": lambda f: f.reseal(alg="RSA1_5"),
    "RSA-OAEP": lambda f: f.reseal(alg="RSA-OAEP-256"),
    "dir": lambda f: f.reseal(alg="dir", epk=None),
    "dir with a signing kid": lambda f: f.reseal(alg="dir", kid=f.head["kid"], epk=None),
    "ECDH-ES with a key": lambda f: f.reseal(alg="ECDH-ES"),
    "enc other": lambda f: f.reseal(enc="A128GCM"),
    "enc CBC": lambda f: f.reseal(enc="A256CBC-HS512"),
    "JWE kid unknown": lambda f: f.reseal(kid="a" * 43),
    "JWE kid a list": lambda f: f.reseal(kid=[f.outer["kid"]]),
    "JWE kid NUL": lambda f: f.reseal(kid="\x00" * 43),
    "JWE kid long": lambda f: f.reseal(kid="a" * 5000),
    "JWE kid missing": lambda f: f.reseal(kid=None),
    "JWE crit": lambda f: f.reseal(crit=["exp"]),
    "JWE jku": lambda f: f.reseal(jku="http://169.254.169.254/"),
    "JWE jwk": lambda f: f.reseal(jwk=f.jwk()),
    "JWE header written otherwise": lambda f: ".".join(
        [b64(json.dumps(f.outer, indent=1)), *f.encrypted.split(".")[1:]]
    ),
    "JWE as JSON": lambda f: json.dumps(
        dict(zip(("protected", "encrypted_key", "iv", "ciphertext", "tag"), f.encrypted.split("."), strict=True))
    ),
    "epk missing": lambda f: f.reseal(epk=None),
    "epk a text": lambda f: f.reseal(epk="a"),
    "epk a list": lambda f: f.reseal(epk=[]),
    "epk not on the curve": lambda f: f.epk(y=b64(bytes(31) + b"\x07")),
    "epk zero": lambda f: f.epk(x=b64(bytes(32)), y=b64(bytes(32))),
    "epk short": lambda f: f.epk(x="AA"),
    "epk long": lambda f: f.epk(x="A" * 4000),
    "epk without y": lambda f: f.epk(y=None),
    "epk with numbers": lambda f: f.epk(x=1, y=2),
    "epk with a private key": lambda f: f.epk(d="AQ"),
    "epk of P-384": lambda f: f.reseal(epk=P384),
    "epk of X25519, low order": lambda f: f.reseal(epk=X25519),
    "tag of 12 bytes": lambda f: f.cut(4, lambda b: b[:12]),
    "tag of 4 bytes": lambda f: f.cut(4, lambda b: b[:4]),
    "no tag": lambda f: f.cut(4, lambda b: b""),
    "no nonce": lambda f: f.cut(2, lambda b: b""),
    "nonce of 16 bytes": lambda f: f.cut(2, lambda b: b + bytes(4)),
    "no encrypted key": lambda f: f.cut(1, lambda b: b""),
    "encrypted key flipped": lambda f: f.cut(1, lambda b: bytes([b[0] ^ 1]) + b[1:]),
    "ciphertext flipped": lambda f: f.cut(3, lambda b: bytes([b[0] ^ 1]) + b[1:]),
    "ciphertext cut": lambda f: f.cut(3, lambda b: b[:-1]),
}


@pytest.fixture
def forge(app: Flask, world: World) -> Iterator[Forge]:
    with app.app_context():
        yield Forge(world)


def test_every_attack_is_refused_quickly(forge: Forge) -> None:
    """One installation for all of them: a second each would be minutes."""
    verify(forge.signed), verify(forge.encrypted)
    wrong: list[str] = []
    for name, craft in ATTACKS.items():
        text = craft(forge)
        started = time.thread_time()
        try:
            verify(text)
            wrong.append(f"{name}: let in")
        except InvalidToken as invalid:
            if forge.signed[-20:] in invalid.reason or len(invalid.reason) > 200:
                wrong.append(f"{name}: tells the token")
        except Exception as leaked:
            wrong.append(f"{name}: {leaked!r}")
        if time.thread_time() - started > QUICK_S:
            wrong.append(f"{name}: {time.thread_time() - started:.2f} s")
    assert wrong == []
    assert len(ATTACKS) > 103


def test_only_invalid_token_leaves_the_verifier(forge: Forge) -> None:
    """Cuts, swaps and noise in good tokens; a change that is let through changed nothing that is signed."""
    chance = random.Random(20261123)
    alphabet = 'ABCXYZabcxyz0189-_.=+/ {}"\x00é'
    wrong: list[str] = []
    for number in range(3000):
        good = forge.encrypted if number % 2 else forge.signed
        text = mutated(good, chance, alphabet)
        try:
            if text != good and verify(text).claims != forge.claims:
                wrong.append(text)
        except InvalidToken:
            continue
        except Exception as leaked:
            wrong.append(f"{leaked!r}: {text}")
    assert wrong == []


def mutated(text: str, chance: random.Random, alphabet: str) -> str:
    for _ in range(chance.randint(1, 3)):
        place, kind = chance.randrange(len(text) + 1), chance.randrange(5)
        if kind == 0:
            text = text[:place] + chance.choice(alphabet) + text[place + 1 :]
        elif kind == 1:
            text = text[:place] + chance.choice(alphabet) * chance.randint(1, 5) + text[place:]
        elif kind == 2:
            text = text[:place] + text[place + chance.randint(1, 40) :]
        elif kind == 3:
            parts = text.split(".")
            chance.shuffle(parts)
            text = ".".join(parts)
        else:
            parts = text.split(".")
            here = chance.randrange(len(parts))
            with contextlib.suppress(ValueError):
                raw = bytearray(unb64(parts[here]))
                if raw:
                    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
                parts[here] = b64(bytes(raw))
            text = ".".join(parts)
    return text


def test_no_address_in_a_header_is_asked(forge: Forge) -> None:
    with socket.create_server(("127.0.0.1", 22162)) as listener:
        listener.settimeout(0.3)
        url = "http://127.0.0.1:22162/keys"
        for text in (
            forge.sign(forge.head | {"jku": url}),
            forge.sign(forge.head | {"x5u": url}),
            forge.reseal(jku=url),
        ):
            with pytest.raises(InvalidToken):
                verify(text)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_the_other_form_of_a_signature_has_the_same_id(forge: Forge) -> None:
    """n - s is as good as s, so what is revoked is the id and never the text."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    signature = unb64(forge.signature())
    other = signature[:32] + (order - int.from_bytes(signature[32:])).to_bytes(32)
    assert verify(forge.raw(other)).jti == verify(forge.signed).jti


def test_a_decision_is_for_the_api_that_the_key_belongs_to(forge: Forge, world: World) -> None:
    assert unwrap(forge.encrypted, world.audience).signed.count(".") == 2
    for text, audience in (
        (forge.encrypted, world.audience + "x"),
        (forge.signed, world.audience),  # not encrypted at all
        (forge.seal(forge.sign(claims=forge.claims | {"aud": "https://other.example"})), ""),
        (forge.seal(forge.sign(claims=forge.claims | {"aud": ""})), ""),
        (forge.seal(forge.sign(claims=forge.claims | {"aud": {"a": world.audience}})), world.audience),
    ):
        with pytest.raises(CredentialRefused):
            unwrap(text, audience)


def test_hostile_names_are_not_remembered(forge: Forge) -> None:
    for number in range(20):
        with pytest.raises(InvalidToken):
            verify(forge.reseal(kid=f"{number}" * 2000))
    assert not [key for key in runtime().memory if key[0] == "decrypter" and len(key[1]) > 64]


def test_no_two_tokens_share_anything(forge: Forge, world: World) -> None:
    made = [
        issue_token(
            client_id=world.client_id,
            audience=world.audience,
            scope="",
            lifetime_s=60,
            profile=Profile(world.version_id, encrypted=True),
        )
        for _ in range(500)
    ]
    parts = [token.text.split(".") for token in made]
    assert len({token.jti for token in made}) == len(made)
    assert all(len({p[place] for p in parts}) == len(made) for place in range(5))
