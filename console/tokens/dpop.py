"""DPoP: a token that is good only with a fresh proof of the caller's key (RFC 9449)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any
from urllib.parse import urlsplit

import orjson

from ..credentials.algorithms import OTHER_NAMES, PUBLISHED_SIGNING, canonical, check_public_jwk
from ..credentials.secrets import sealed
from ..errors import Refused
from .compact import InvalidToken, json_object, number, split
from .errors import OAuthError
from .keys import Verifier, algorithm, load
from .once import is_first_use
from .verify import is_signature

ALGORITHMS = (*PUBLISHED_SIGNING, *OTHER_NAMES)
PROOF_S = 60  # how old, or how far ahead, a proof may be
NONCE_S = 300  # a nonce is good for one to two of these
LONGEST_PROOF = 4096


class InvalidProof(OAuthError):
    """``invalid_dpop_proof`` (RFC 9449 section 5)."""

    def __init__(self, description: str) -> None:
        super().__init__("invalid_dpop_proof", description)


def use_nonce() -> OAuthError:
    """Section 8: ask again, with this nonce in the proof."""
    text = "Put the nonce of the header DPoP-Nonce into the proof and ask again."
    return OAuthError("use_dpop_nonce", text, 400, ("DPoP-Nonce", nonce()))


def nonce(at: float | None = None) -> str:
    """The nonce of the current five minutes. Every worker makes the same one, and none has to remember it."""
    period = int((time.time() if at is None else at) // NONCE_S)
    return _b64(hmac.digest(sealed("dpop"), period.to_bytes(8, "big"), "sha256")[:18])


def check_proof(proof: str, method: str, url: str, *, token: str = "", needs_nonce: bool = False) -> str:
    """The thumbprint (RFC 7638) of the key that a good proof for this very request was made with.

    ``token``: the access token it is shown with, whose hash the proof must hold (``ath``).
    """
    try:
        claims, thumbprint = _read(proof)
        _check_request(claims, method, url, token)
    except InvalidToken as invalid:
        raise InvalidProof(
            invalid.reason.replace("The token", "The proof").replace("in the token", "in the proof")
        ) from None
    if needs_nonce and claims.get("nonce") not in (nonce(), nonce(time.time() - NONCE_S)):
        raise use_nonce()
    if not is_first_use("dpop", thumbprint, claims["jti"], claims["iat"] + 2 * PROOF_S):
        raise InvalidProof("The proof was used before. Make a new one for each request.")
    return thumbprint


def _read(proof: str) -> tuple[dict[str, Any], str]:
    """What a well-signed proof says, and the thumbprint of its key."""
    if len(proof) > LONGEST_PROOF:
        raise InvalidToken("The proof is too long.")
    head, body, signature = split(proof, 3)
    header = json_object(head)
    if header.get("typ") != "dpop+jwt" or header.keys() != {"typ", "alg", "jwk"}:
        raise InvalidToken("Its header must hold typ dpop+jwt, alg and jwk, and nothing else.")
    alg = canonical(header["alg"])
    if alg not in PUBLISHED_SIGNING:
        raise InvalidToken(f"alg must be one of {', '.join(ALGORITHMS)}.")
    try:
        jwk = check_public_jwk(header["jwk"], "sig", [alg])
    except Refused as refused:
        raise InvalidToken(refused.message) from None
    if not is_signature(proof, signature, Verifier("", alg, algorithm(alg), load(alg, orjson.dumps(jwk)))):
        raise InvalidToken("The signature of the proof does not match its jwk.")
    return json_object(body), thumbprint_of(jwk)


MEMBERS = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}


def thumbprint_of(jwk: dict[str, Any]) -> str:
    """RFC 7638 section 3."""
    needed = {name: jwk[name] for name in MEMBERS[jwk["kty"]]}
    return _b64(hashlib.sha256(orjson.dumps(needed, option=orjson.OPT_SORT_KEYS)).digest())


def _check_request(claims: dict[str, Any], method: str, url: str, token: str) -> None:
    if claims.get("htm") != method:
        raise InvalidToken(f"htm must be {method}.")
    if not isinstance(claims.get("htu"), str) or _normal(claims["htu"]) != _normal(url):
        raise InvalidToken(f"htu must be {url}, without query and fragment.")
    if abs(number(claims.get("iat")) - time.time()) > PROOF_S:
        raise InvalidToken(f"iat must be now, within {PROOF_S} seconds.")
    if not isinstance(claims.get("jti"), str) or not 0 < len(claims["jti"]) <= 256:
        raise InvalidToken("The proof needs a jti.")
    if token and claims.get("ath") != _b64(hashlib.sha256(token.encode()).digest()):
        raise InvalidToken("ath must be the SHA-256 of the access token, in base64url.")


def _normal(url: str) -> tuple[str, str, int | None, str]:
    """What two addresses are compared by (RFC 9449 section 4.3, RFC 3986 section 6.2.3): no query, no fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        raise InvalidToken("htu is no address.") from None
    return parts.scheme.lower(), (parts.hostname or "").lower(), port, parts.path or "/"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
