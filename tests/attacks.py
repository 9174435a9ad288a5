"""Crafted tokens by number and name. Everything is made here, nothing is stored.

1 to 106 are the published attacks on JWT libraries (RFC 8725 and its successor, the CVEs of the libraries; there is no 67 to
69); those with a letter are further forms of the same attack, and X are attacks across keys and profiles of our own.
"""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections.abc import Callable

from joserfc import jwk

from console.tokens.compact import LONGEST
from console.tokens.keys import signer

from .forge import P256_ORDER, Forge, b64, twice, unb64, with_unused_bits

Craft = Callable[[Forge], str]
METADATA = "http://169.254.169.254/"
NOW = time.time()
P384 = {
    k: v for k, v in jwk.ECKey.generate_key("P-384").as_dict(private=False).items() if k in ("kty", "crv", "x", "y")
}
X25519 = {"kty": "OKP", "crv": "X25519", "x": b64(bytes(32))}
PBES2 = {"p2s": "YWFhYWFhYWE", "epk": None}
DEEP = "[" * 1500 + "]" * 1500


def lacking(f: Forge, name: str) -> dict[str, object]:
    return {k: v for k, v in f.head.items() if k != name}


SIGNATURES: dict[str, Craft] = {
    "01 alg none": lambda f: f"{b64(f.head | {'alg': 'none'})}.{b64(f.claims)}.",
    "01a alg none with a signature": lambda f: f.sign(f.head | {"alg": "none"}),
    "01b no alg": lambda f: f.sign(lacking(f, "alg")),
    "01c alg a list": lambda f: f.sign(f.head | {"alg": ["ES256"]}),
    "02 alg nOnE": lambda f: f"{b64(f.head | {'alg': 'nOnE'})}.{b64(f.claims)}.",
    "03 empty signature": lambda f: f.raw(b""),
    "04 HS256 with the PEM": lambda f: f.mac(f.pem()),
    "05 HS256 with the PEM, CRLF": lambda f: f.mac(f.pem().replace(b"\n", b"\r\n")),
    "06 HS256 with the DER": lambda f: f.mac(f.der()),
    "07 HS256 with the JWK": lambda f: f.mac(
        json.dumps(jwk.ECKey.import_key(f.public).as_dict(private=False)).encode()
    ),
    "08 HS256 with nothing": lambda f: f.mac(b""),
    "08a HS256 with nothing, under a shared secret's kid": lambda f: f.mac(b"", kid=f.hmac_signer.kid),
    "09 jwk embedded": lambda f: f.sign(f.head | {"jwk": f.jwk(), "kid": "mine"}, key=f.own),
    "10 jwk embedded under our kid": lambda f: f.sign(f.head | {"jwk": f.jwk(kid=f.head["kid"])}, key=f.own),
    "11 jku": lambda f: f.sign(f.head | {"jku": f.url}),
    "11a jku to metadata": lambda f: f.sign(f.head | {"jku": METADATA}),
    "12 x5u": lambda f: f.sign(f.head | {"x5u": f.url}),
    "13 x5c": lambda f: f.sign(f.head | {"x5c": [base64.b64encode(f.der()).decode()]}),
    "14 kid a path": lambda f: f.mac(b"", kid="../../../dev/null"),
    "15 kid SQL": lambda f: f.mac(b"x", kid="' UNION SELECT 'x"),
    "16 kid a list": lambda f: f.sign(f.head | {"kid": [f.head["kid"]]}),
    "17 kid an object": lambda f: f.sign(f.head | {"kid": {"a": 1}}),
    "18 kid missing": lambda f: f.sign(lacking(f, "kid")),
    "18a kid with NUL": lambda f: f.sign(f.head | {"kid": f.head["kid"] + "\x00"}),
    "19 kid of an encryption key": lambda f: f.sign(f.head | {"kid": f.outer["kid"]}),
    "20 PS256 with an RS256 key": lambda f: f.sign_as("PS256", signer("RS256")),
    "20a RS256 with a PS256 key": lambda f: f.sign_as("RS256", signer("PS256")),
    "20b RS256 with an RS256 key that says ES256": lambda f: f.sign_as("RS256", signer("RS256"), alg="ES256"),
    "20c ES384": lambda f: f.sign(f.head | {"alg": "ES384"}),
    "20d ES256K": lambda f: f.sign(f.head | {"alg": "ES256K"}),
    "20e es256": lambda f: f.sign(f.head | {"alg": "es256"}),
    "21 crit unknown": lambda f: f.sign(f.head | {"crit": ["a"], "a": 1}),
    "22 crit empty": lambda f: f.sign(f.head | {"crit": []}),
    "23 crit alg": lambda f: f.sign(f.head | {"crit": ["alg"]}),
    "24 b64 false": lambda f: f.sign(f.head | {"crit": ["b64"], "b64": False}),
    "25 r and s zero": lambda f: f.raw(bytes(64)),
    "25a r and s the order": lambda f: f.raw(P256_ORDER.to_bytes(32) * 2),
    "26 signature as DER": lambda f: f.raw(f.der_signature()),
    "27 r and s padded with zeros": lambda f: f.raw(
        bytes(1) + unb64(f.signature())[:32] + bytes(1) + unb64(f.signature())[32:]
    ),
    "27a one byte longer": lambda f: f.raw(unb64(f.signature()) + b"\x00"),
    "29 unused bits": lambda f: f.raw(with_unused_bits(f.signature())),
    "30 padding": lambda f: f.raw(f.signature() + "=="),
    "31 a blank": lambda f: f.raw(f.signature() + " "),
    "31a a blank before": lambda f: " " + f.signed,
    "32 a line end": lambda f: f.raw(f.signature() + "\n"),
    "33 marks": lambda f: f.raw(f.signature() + "!!!!"),
    "34 standard alphabet": lambda f: f.raw("+/" + f.signature()[2:]),
    "65 another's key under our kid": lambda f: f.sign(key=f.own),
    "66 claims changed": lambda f: ".".join(
        [f.signed.split(".")[0], b64(f.claims | {"scope": "admin"}), f.signature()]
    ),
}

CLAIMS: dict[str, Craft] = {
    "35 alg twice": lambda f: f.sign(twice(f.head, "alg", "none")),
    "36 sub twice": lambda f: f.sign(claims=twice(f.claims, "sub", "root")),
    "37 claims a list": lambda f: f.sign(claims="[1]"),
    "37a claims nothing": lambda f: f.sign(claims="null"),
    "38 claims deep": lambda f: f.sign(claims=json.dumps(f.claims)[:-1] + f',"a":{DEEP}}}'),
    "39 header deep": lambda f: f.sign(json.dumps(f.head)[:-1] + f',"a":{DEEP}}}'),
    "40 exp Infinity": lambda f: f.saying("exp", "Infinity"),
    "41 exp NaN": lambda f: f.saying("exp", "NaN"),
    "42 exp true": lambda f: f.saying("exp", "true"),
    "43 exp a text": lambda f: f.saying("exp", '"9999999999"'),
    "44 exp missing": lambda f: f.sign(claims=f.without("exp")),
    "44a exp null": lambda f: f.saying("exp", "null"),
    "44b exp a list": lambda f: f.saying("exp", "[9999999999]"),
    "45 exp 1e400": lambda f: f.saying("exp", "1e400"),
    "45a exp with 400 digits": lambda f: f.saying("exp", "9" * 400),
    "46 expired": lambda f: f.saying("exp", str(int(NOW - 60))),
    "46a exp negative": lambda f: f.saying("exp", "-1"),
    "47 nbf future": lambda f: f.saying("nbf", str(NOW + 600)),
    "47a nbf a text": lambda f: f.saying("nbf", '"0"'),
    "48 iat future": lambda f: f.saying("iat", str(NOW + 600)),
    "49 iss a list": lambda f: f.sign(claims=f.claims | {"iss": [f.claims["iss"]]}),
    "50 iss longer": lambda f: f.sign(claims=f.claims | {"iss": f.claims["iss"] + ".evil.example"}),
    "50a iss shorter": lambda f: f.sign(claims=f.claims | {"iss": f.claims["iss"][:-1]}),
    "50b iss with a slash": lambda f: f.sign(claims=f.claims | {"iss": f.claims["iss"] + "/"}),
    **{
        f"53{'abcdef'[place]} {name} missing": lambda f, n=name: f.sign(claims=f.without(n))
        for place, name in enumerate(("aud", "iss", "sub", "client_id", "iat", "jti"))
    },
    "53g sub a list": lambda f: f.sign(claims=f.claims | {"sub": [f.claims["sub"]]}),
    "53h jti a number": lambda f: f.sign(claims=f.claims | {"jti": 1}),
    "54 typ JWT": lambda f: f.sign(f.head | {"typ": "JWT"}),
    "55 typ missing": lambda f: f.sign(lacking(f, "typ")),
    "55a typ null": lambda f: f.sign(f.head | {"typ": None}),
    "56 typ dpop+jwt": lambda f: f.sign(f.head | {"typ": "dpop+jwt"}),
    "56a a client assertion": lambda f: f.sign(f.head | {"typ": "client-authentication+jwt"}),
    "56b an answer of introspection": lambda f: f.sign(f.head | {"typ": "token-introspection+jwt"}),
    "63 BOM": lambda f: f.sign(claims=b"\xef\xbb\xbf" + json.dumps(f.claims).encode()),
    "64 UTF-16": lambda f: f.sign(claims=json.dumps(f.claims).encode("utf-16")),
    "64a not UTF-8": lambda f: f.sign(claims=json.dumps(f.claims).encode()[:-1] + b',"a":"\xff"}'),
    "64b a lone surrogate": lambda f: f.saying("scope", '"\\ud800"'),
}

FORMS: dict[str, Craft] = {
    "57 JSON serialization": lambda f: json.dumps(
        dict(zip(("protected", "payload", "signature"), f.signed.split("."), strict=True))
    ),
    "58 JSON without signatures": lambda f: json.dumps({"payload": f.signed.split(".")[1], "signatures": []}),
    "59 JSON around a compact one": lambda f: json.dumps({"a": f.signed}),
    "60 a megabyte of claims": lambda f: f.sign(claims=f.claims | {"a": "a" * 1_000_000}),
    "61 a megabyte of header": lambda f: f.sign(f.head | {"kid": "a" * 1_000_000}),
    "61a a thousand names": lambda f: f"{b64({str(i): 0 for i in range(700)})}.{b64(f.claims)}.{f.signature()}",
    "61b just too long": lambda f: "a" * (LONGEST + 1),
    "62 100,000 dots": lambda f: "." * 100_000,
    "62a nothing": lambda f: "",
    "62b dots": lambda f: "..",
    "62c four dots": lambda f: "....",
    "62d letters beyond ASCII": lambda f: f.signed[:-1] + "é",
    "62e a surrogate": lambda f: f.signed[:-1] + "\ud800",
    "62f NUL": lambda f: f.signed + "\x00",
    "102 JWE as JSON": lambda f: json.dumps(
        dict(zip(("protected", "encrypted_key", "iv", "ciphertext", "tag"), f.encrypted.split("."), strict=True))
    ),
    "105 six segments": lambda f: f.encrypted + ".a",
    "105a four segments": lambda f: f.signed + ".a",
    "106 two segments": lambda f: f.signed.rsplit(".", 1)[0],
}

ENCRYPTION: dict[str, Craft] = {
    "70 JWE of bare claims": lambda f: f.seal(json.dumps(f.claims)),
    "71 JWE of alg none": lambda f: f.seal(f"{b64(f.head | {'alg': 'none'})}.{b64(f.claims)}."),
    "72 JWE of another's signature": lambda f: f.seal(f.sign(key=f.own)),
    "72a JWE of an expired token": lambda f: f.seal(f.sign(claims=f.claims | {"exp": 1})),
    "72b JWE of nothing": lambda f: f.seal(""),
    "72c JWE of noise": lambda f: f.seal(b"\xff\xfe\x00"),
    "73 JWE in JWE": lambda f: f.seal(f.encrypted),
    "74 JWE of an embedded jwk": lambda f: f.seal(f.sign(f.head | {"jwk": f.jwk()}, key=f.own)),
    "75 zip bomb": lambda f: f.seal(zlib.compress(b"a" * 4_000_000, 9)[2:-4], zip="DEF"),
    "76 zip at all": lambda f: f.seal(f.signed, zip="DEF"),
    "76a zip in the header": lambda f: f.reseal(zip="DEF"),
    "77 PBES2 with endless rounds": lambda f: f.reseal(alg="PBES2-HS256+A128KW", p2c=2**31 - 1, **PBES2),
    "78 PBES2 with many rounds": lambda f: f.reseal(alg="PBES2-HS512+A256KW", p2c=300_000, **PBES2),
    "79 epk not on the curve": lambda f: f.epk(y=b64(bytes(31) + b"\x07")),
    "80 epk of P-384": lambda f: f.reseal(epk=P384),
    "81 epk zero": lambda f: f.epk(x=b64(bytes(32)), y=b64(bytes(32))),
    "82 epk without y": lambda f: f.epk(y=None),
    "82a epk short": lambda f: f.epk(x="AA"),
    "82b epk long": lambda f: f.epk(x="A" * 4000),
    "82c epk with numbers": lambda f: f.epk(x=1, y=2),
    "83 epk a text": lambda f: f.reseal(epk="a"),
    "83a epk a list": lambda f: f.reseal(epk=[]),
    "84 epk with a private key": lambda f: f.epk(d="AQ"),
    "85 epk missing": lambda f: f.reseal(epk=None),
    "86 tag of 4 bytes": lambda f: f.cut(4, lambda b: b[:4]),
    "87 tag of 12 bytes": lambda f: f.cut(4, lambda b: b[:12]),
    "88 no tag": lambda f: f.cut(4, lambda b: b""),
    "89 no nonce": lambda f: f.cut(2, lambda b: b""),
    "90 nonce of 16 bytes": lambda f: f.cut(2, lambda b: b + bytes(4)),
    "91 encrypted key flipped": lambda f: f.cut(1, lambda b: bytes([b[0] ^ 1]) + b[1:]),
    "91a no encrypted key": lambda f: f.cut(1, lambda b: b""),
    "92 ciphertext flipped": lambda f: f.cut(3, lambda b: bytes([b[0] ^ 1]) + b[1:]),
    "92a ciphertext cut": lambda f: f.cut(3, lambda b: b[:-1]),
    "93 header written otherwise": lambda f: ".".join(
        [b64(json.dumps(f.outer, indent=1)), *f.encrypted.split(".")[1:]]
    ),
    "94 enc other": lambda f: f.reseal(enc="A128GCM"),
    "94a enc CBC": lambda f: f.reseal(enc="A256CBC-HS512"),
    "95 alg other": lambda f: f.reseal(alg="RSA-OAEP-256"),
    "96 dir with the shared signing secret": lambda f: f.seal_directly(),
    "96a dir with a signing kid": lambda f: f.reseal(alg="dir", kid=f.head["kid"], epk=None),
    "97 RSA1_5": lambda f: f.reseal(alg="RSA1_5"),
    "98 another API's kid": lambda f: f.reseal(kid=f.other_box.kid if f.other_box else ""),
    "98a kid unknown": lambda f: f.reseal(kid="a" * 43),
    "98b kid a list": lambda f: f.reseal(kid=[f.outer["kid"]]),
    "98c kid NUL": lambda f: f.reseal(kid="\x00" * 43),
    "98d kid long": lambda f: f.reseal(kid="a" * 5000),
    "98e kid missing": lambda f: f.reseal(kid=None),
    "99 JWE crit": lambda f: f.reseal(crit=["exp"]),
    "100 JWE jku": lambda f: f.reseal(jku=f.url),
    "100a JWE jwk": lambda f: f.reseal(jwk=f.jwk()),
    "101 JWE without cty": lambda f: f.seal(f.signed, cty=None),
    "101a JWE cty other": lambda f: f.seal(f.signed, cty="json"),
    "103 epk of X25519, low order": lambda f: f.reseal(epk=X25519),
    "104 ECDH-ES with an encrypted key": lambda f: f.direct.replace("..", f".{b64(bytes(40))}."),
    "104a ECDH-ES with an encrypted key of no use": lambda f: f.direct.replace("..", ".AA."),
    "104b ECDH-ES of another algorithm's token": lambda f: f.reseal(alg="ECDH-ES"),
    "104c no nonce in the direct one": lambda f: f.direct.replace("..", "..."),
}

ACROSS: dict[str, Craft] = {
    "X1 a shared secret signs for another API": lambda f: f.share(),
    "X2 a shared secret signs for two": lambda f: f.share(aud=[f.hmac_audience, f.claims["aud"]]),
    "X3 a shared secret signs for a list of one": lambda f: f.share(aud=[f.hmac_audience]),
    "X4 a shared secret signs for nobody": lambda f: f.share(aud=""),
    "X5 a shared secret under a published kid": lambda f: f.mac(f.hmac_secret, {"aud": f.hmac_audience}),
    "X6 a published key under a shared secret's kid": lambda f: f.sign(f.head | {"kid": f.hmac_signer.kid}),
    "X6a a shared secret signs for ever": lambda f: f.share(aud=f.hmac_audience, exp=1e300),
    "X6b a shared secret signs for two days": lambda f: f.share(aud=f.hmac_audience, exp=NOW + 2 * 86400),
    "X6c a shared secret signs with an endless id": lambda f: f.share(aud=f.hmac_audience, jti="a" * 65),
    "X6d a shared secret signs with NUL as the id": lambda f: f.share(aud=f.hmac_audience, jti="\x00"),
    "X7 a shared secret's token for another API, encrypted": lambda f: f.seal(f.share()),
}

ATTACKS = SIGNATURES | CLAIMS | FORMS | ENCRYPTION | ACROSS

# Well signed, and for somebody else: the verifier says who it is for, and whoever asked compares
FOR_OTHERS: dict[str, Craft] = {
    "51 aud other": lambda f: f.seal(f.sign(claims=f.claims | {"aud": "https://other.example"})),
    "52 aud longer": lambda f: f.seal(f.sign(claims=f.claims | {"aud": f.claims["aud"] + "x"})),
    "52a aud a part": lambda f: f.seal(f.sign(claims=f.claims | {"aud": f.claims["aud"][:-1]})),
    "52b aud empty": lambda f: f.seal(f.sign(claims=f.claims | {"aud": ""})),
    "52c aud an object": lambda f: f.seal(f.sign(claims=f.claims | {"aud": {f.claims["aud"]: 1}})),
    "52d aud a list of others": lambda f: f.seal(f.sign(claims=f.claims | {"aud": [f.claims["aud"] + "x"]})),
    "98f encrypted to another API": lambda f: f.seal(f.signed, f.other_box),
    "98g another API's token, encrypted to this one": lambda f: f.seal(f.share(aud=f.hmac_audience)),
    "X8 not encrypted at all": lambda f: f.signed,
}
