"""Which algorithms tokens use, how their keys are made, and which keys of others are good enough.

Names are those of RFC 7518, RFC 8037 and the JOSE registry. No ``none``, no RSA1_5, no PBES2, no ``dir``: each token has
its own content-encryption key (RFC 8725).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey, import_key

from ..errors import Refused

ES256, HS256 = "ES256", "HS256"
PUBLISHED_SIGNING = (ES256, "RS256", "PS256", "EdDSA")  # their public halves are in the JWKS
SIGNING = (*PUBLISHED_SIGNING, HS256)
A256KW = "A256KW"
ENCRYPTION = ("ECDH-ES+A256KW", "ECDH-ES", "RSA-OAEP-256", A256KW)
PUBLIC_ENCRYPTION = tuple(alg for alg in ENCRYPTION if alg != A256KW)
CURVES = ("P-256", "X25519")
CONTENT = ("A256GCM", "A128GCM", "A256CBC-HS512")
RSA_BITS, MOST_RSA_BITS, RSA_EXPONENT = 2048, 8192, 65537
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
LONGEST_KID = 128

OTHER_NAMES = {"Ed25519": "EdDSA"}  # RFC 9864 names the curve; both mean the same for an Ed25519 key
# y of the points of low order (Ed25519), u of those (X25519; RFC 7748 section 6.1): 0, 1 and -1, also written as p and p + 1
_P = 2**255 - 19
_TRIVIAL = frozenset({0, 1, _P - 1, _P, _P + 1})
LOW_ORDER = {
    "Ed25519": _TRIVIAL
    | {
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    },
    "X25519": _TRIVIAL
    | {
        0x00B8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
        0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
    },
}

Key = ECKey | OKPKey | RSAKey | OctKey


def new_key(alg: str, curve: str = "P-256") -> tuple[str, Key]:
    """A key for ``alg`` and its id: the RFC 7638 thumbprint, or a random number for a shared secret, whose thumbprint
    would be a hash of it in the open."""
    key: Key
    if alg in (HS256, A256KW):
        key = OctKey.generate_key(256, private=True)
        return secrets.token_urlsafe(32), key
    if alg in ("RS256", "PS256", "RSA-OAEP-256"):
        key = RSAKey.generate_key(RSA_BITS, private=True)
    elif alg == "EdDSA":
        key = OKPKey.generate_key("Ed25519", private=True)
    elif alg.startswith("ECDH-ES") and curve == "X25519":
        key = OKPKey.generate_key("X25519", private=True)
    else:
        key = ECKey.generate_key("P-256", private=True)
    return key.thumbprint(), key


def public_half(key: Key, kid: str, alg: str, use: str) -> dict[str, Any]:
    """RFC 7517, for a JWKS. Nothing for a shared secret."""
    if isinstance(key, OctKey):
        return {}
    return dict(key.as_dict(private=False)) | {"kid": kid, "use": use, "alg": alg}


def check_public_jwk(jwk: Any, use: str, algorithms: Iterable[str]) -> dict[str, Any]:
    """A public key that somebody registers, as ``{kty, ..., kid, alg, use}``; `Refused` says what is wrong with it.

    Refused: private and symmetric keys, RSA under 2048 bits or with another exponent than 65537, other curves, a ``use``
    or an ``alg`` of another purpose, points of low order.
    """
    if not isinstance(jwk, dict):
        raise Refused("Give one public key as a JWK: a JSON object with kty.", "jwk")
    if jwk.get("kty") == "oct":
        raise Refused("A shared secret is no public key. Give an RSA, EC or OKP key.", "jwk")
    if PRIVATE_MEMBERS & jwk.keys():
        raise Refused("This is a private key. Give its public half only, and replace it: it was shown to us.", "jwk")
    try:
        key = import_key({k: v for k, v in jwk.items() if k not in ("use", "alg", "key_ops", "kid")})
    except Exception:  # the library lets ValueError, TypeError and more through
        raise Refused("This key cannot be read as a JWK (RFC 7517).", "jwk") from None
    possible = _algorithms(key, tuple(algorithms))
    said = jwk.get("alg")
    alg = canonical(said) if said is not None else next(iter(possible), "")
    if alg not in possible:
        raise Refused(f"A key for {' or '.join(algorithms)} is needed here; this one is for something else.", "jwk")
    if jwk.get("use", use) != use:
        raise Refused(f"The key says use {str(jwk['use'])[:20]!r}; it must be {use!r}, or say nothing.", "jwk")
    kid = jwk.get("kid", key.thumbprint())
    if not isinstance(kid, str) or not kid or len(kid) > LONGEST_KID or not kid.isprintable():
        raise Refused(f"The kid must be a text of 1 to {LONGEST_KID} characters.", "jwk")
    return dict(key.as_dict(private=False)) | {"kid": kid, "use": use, "alg": alg}


def canonical(alg: Any) -> str:
    """The one name that we use for an algorithm; empty for what is no text."""
    return OTHER_NAMES.get(alg, alg) if isinstance(alg, str) else ""


def _algorithms(key: Any, wanted: tuple[str, ...]) -> list[str]:
    """Those of ``wanted`` that this key may be used for; `Refused` when it is weak."""
    if isinstance(key, RSAKey):
        numbers = cast(RSAPublicKey, key.raw_value).public_numbers()  # private members were refused before
        bits = numbers.n.bit_length()
        if not RSA_BITS <= bits <= MOST_RSA_BITS or numbers.e != RSA_EXPONENT or numbers.n % 2 == 0:
            raise Refused(
                f"The RSA key is weak: {bits} bits. Make one of {RSA_BITS} to {MOST_RSA_BITS} bits with e = 65537.",
                "jwk",
            )
        return [alg for alg in wanted if alg in ("RS256", "PS256", "RSA-OAEP-256")]
    if isinstance(key, ECKey):
        good = key.curve_name == "P-256"
        return [alg for alg in wanted if good and (alg == ES256 or alg.startswith("ECDH-ES"))]
    if isinstance(key, OKPKey):
        if _point(key) in LOW_ORDER.get(key.curve_name, ()):
            raise Refused("This key is a point of low order: whatever is agreed on with it, everybody knows.", "jwk")
        fitting = {"Ed25519": ("EdDSA",), "X25519": ("ECDH-ES+A256KW", "ECDH-ES")}.get(key.curve_name, ())
        return [alg for alg in wanted if alg in fitting]
    return []


def _point(key: OKPKey) -> int:
    """The coordinate that the key is, without the bit for the sign of the other one."""
    return int.from_bytes(cast(X25519PublicKey, key.raw_value).public_bytes_raw(), "little") & (2**255 - 1)


def check_public_jwks(jwks: Any, use: str, algorithms: Iterable[str], most: int = 20) -> list[dict[str, Any]]:
    """The keys of a set (RFC 7517 section 5) that are for ``use``; others are left out, a mixed set is refused."""
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= most:
        raise Refused(f"A JWK Set holds 1 to {most} keys under the name keys.", "jwk")
    if any(isinstance(k, dict) and (k.get("kty") == "oct" or PRIVATE_MEMBERS & k.keys()) for k in keys):
        raise Refused("The set holds a private key or a shared secret. Publish public halves only.", "jwk")
    found: list[dict[str, Any]] = []
    for jwk in keys:
        if isinstance(jwk, dict) and jwk.get("use", use) == use:
            try:
                found.append(check_public_jwk(jwk, use, algorithms))
            except Refused:
                continue  # a key for another purpose, or of a kind that we do not use
    if not found:
        raise Refused(f"The set holds no good key for {' or '.join(algorithms)} with use {use!r}.", "jwk")
    if len({k["kid"] for k in found}) != len(found):
        raise Refused("Two keys of the set have the same kid.", "jwk")
    return found
