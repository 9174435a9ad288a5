"""What the gateway asks about a credential it cannot judge by itself.

An encrypted token is opened and handed back as the signed token inside it; an API key, or a certificate, becomes a signed
token that stands for it. Behind that the gateway checks every token alike, and remembers the answer for ``ttl_s``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..apis.models import Accepts, ApiVersion
from ..applications.clients import KnownKey, audience_of, known_certificate, known_key
from ..credentials.limits import is_within, note_use
from ..credentials.models import ApiKey, ClientCertificate
from ..credentials.secrets import API_KEY, digest, well_formed
from ..db import db, now
from ..errors import Refused
from ..runtime import remembered, up_to_date
from ..tokens import dpop
from ..tokens.grants import profile_of
from ..tokens.issue import Profile, issue_token, sign
from ..tokens.verify import InvalidToken, Verified, audiences, verify

REMEMBER_S = 60
INTERNAL_S = 300


class CredentialRefused(Refused):
    """``reason`` is a word for logs and problem types; the message is for the caller."""

    def __init__(self, status: int, reason: str, title: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.title = status, reason, title


@dataclass(frozen=True)
class Decision:
    """``signed``: a signed token, for the Authorization header. ``keeps``: behind the gateway the API gets what the caller
    sent, because only the API can open it. ``is_for_address``: the answer holds for this caller's address only."""

    signed: str
    ttl_s: int
    keeps: bool = False
    is_for_address: bool = False


def unwrap(token: str, audience: str) -> Decision:
    """Open an encrypted token for the API of ``audience``. `InvalidToken` says what is wrong with it."""
    up_to_date(0)  # a node that heard of a revoked key must not be given, to remember, what this worker knew before
    verified = verify(token)
    if verified.encrypted_for is None:
        raise CredentialRefused(401, "invalid_token", "The token is not encrypted", "This is not an encrypted token.")
    _check_audience(verified, audience)
    left = int(verified.claims["exp"] - time.time())
    return Decision(_signed(verified), max(0, min(REMEMBER_S, left)), verified.is_sealed)


def check_bound(token: str, proof: str, method: str, url: str, audience: str) -> Decision:
    """A token that comes with a proof of its key (RFC 9449 section 7); asked for each call, so nothing is remembered."""
    verified = verify(token)
    if not verified.jkt:
        raise InvalidToken("The token is not bound to a key: send it as Bearer, without a proof.")
    _check_audience(verified, audience)
    if dpop.check_proof(proof, method, url, token=token) != verified.jkt:
        raise dpop.InvalidProof("The proof was made with another key than the one the token is bound to.")
    return Decision(_signed(verified), 0, verified.is_sealed)


def _check_audience(verified: Verified, audience: str) -> None:
    meant_for = audiences(verified.claims)
    if verified.encrypted_for is not None and audience_of(verified.encrypted_for) not in meant_for:
        raise CredentialRefused(
            401, "wrong_audience", "The token is for another API", "The token was encrypted for another API."
        )
    if audience and audience not in meant_for:
        message = f"The token is for {', '.join(meant_for)}. This API needs one for {audience}."
        raise CredentialRefused(401, "wrong_audience", "The token is for another API", message)


def _signed(verified: Verified) -> str:
    """The signed token inside; for one that only its API can open, a signed token that says the same to the gateway."""
    if not verified.is_sealed:
        return verified.inner
    assert verified.encrypted_for is not None
    return sign(verified.claims, Profile(verified.encrypted_for, _signing_alg(verified.encrypted_for)).signer)


def _signing_alg(version_id: int) -> str:
    def read() -> str:
        return db.session.get_one(ApiVersion, version_id).signing_alg

    return remembered(("signing alg", version_id), read)


def exchange_key(text: str, audience: str, address: str = "") -> Decision:
    """A signed token that stands for the API key at the API of ``audience``."""
    if not well_formed(text, API_KEY):
        raise _bad_key("This is not an API key of this console. Check that it was copied whole.")
    key = known_key(digest(text))
    if key is None:
        raise _bad_key("The API key is unknown or was revoked. Create a new one in the developer console.")
    limits = key.limits
    if limits.expires_at is not None and limits.expires_at <= now():
        raise _bad_key(
            f"The API key expired on {limits.expires_at:%d %B %Y}. Create a new one in the developer console."
        )
    if not is_within(address, limits.networks):
        message = "The API key may not be used from this network. Its owner says from where it may."
        raise CredentialRefused(403, "network_refused", "The network is not allowed", message)
    return _exchange(key, audience)


def _exchange(key: KnownKey, audience: str) -> Decision:
    grant = key.client.grant_for(audience)
    if grant is None or Accepts.KEY not in grant.accepts:
        message = "The application of this API key has no approved subscription to this API. Subscribe in the catalog."
        raise CredentialRefused(403, "subscription_missing", "No subscription", message)
    limits = key.limits
    note_use(ApiKey, limits.id, limits.used_at)
    token = issue_token(
        client_id=key.client.client_id,
        audience=audience,
        scope=" ".join(s for s in grant.scopes if not limits.scopes or s in limits.scopes),
        lifetime_s=INTERNAL_S,
        profile=profile_of(grant, encrypted=False),
        jti=key.jti,
        plan=grant.plan,
    )
    left = (limits.expires_at - now()).total_seconds() if limits.expires_at else REMEMBER_S
    return Decision(token.text, max(0, min(REMEMBER_S, int(left))), is_for_address=bool(limits.networks))


def exchange_certificate(digest: str, audience: str) -> Decision:
    """A signed token that stands for the certificate with which a caller opened the connection. ``digest``: SHA-256 of its
    DER, hexadecimal; the node tells it of a handshake in which the caller proved to have the private key."""
    found = known_certificate(digest.lower())
    if found is None:
        raise _bad_certificate("No application here has registered this certificate, or it was revoked.")
    left = (found.expires_at - now()).total_seconds()
    if left <= 0:
        raise _bad_certificate(f"The certificate expired on {found.expires_at:%d %B %Y}. Register a new one.")
    grant = found.client.grant_for(audience)
    if grant is None or Accepts.CERTIFICATE not in grant.accepts:
        message = (
            "The application of this certificate has no approved subscription to this API. Subscribe in the catalog."
        )
        raise CredentialRefused(403, "subscription_missing", "No subscription", message)
    note_use(ClientCertificate, found.id, found.used_at)
    token = issue_token(
        client_id=found.client.client_id,
        audience=audience,
        scope=" ".join(grant.scopes),
        lifetime_s=INTERNAL_S,
        profile=profile_of(grant, encrypted=False),
        jti=found.jti,
        plan=grant.plan,
    )
    return Decision(token.text, max(0, min(REMEMBER_S, int(left))))


def _bad_certificate(message: str) -> CredentialRefused:
    return CredentialRefused(401, "invalid_certificate", "The client certificate is not good", message)


def _bad_key(message: str) -> CredentialRefused:
    return CredentialRefused(401, "invalid_key", "The API key is not good", message)
