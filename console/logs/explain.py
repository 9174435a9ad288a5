"""One record in words: what happened, where the time went, and which check refused it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

REASONS = {
    "Jwt_is_missing": "No credential was sent.",
    "Jwt_is_expired": "The token had expired.",
    "Jwt_not_yet_valid": "The token was not valid yet.",
    "Jwt_verification_fails": "The signature of the token did not match.",
    "Jwt_issuer_is_not_configured": "The token came from another issuer.",
    "Jwks_doesn't_have_key_to_match_kid_or_alg_from_Jwt": "The token was signed with a key that is not published here.",
    "wrong_audience": "The token was for another API.",
    "wrong_type": "The token was no access token.",
    "encryption_required": "The token was not encrypted, and this API takes encrypted ones only.",
    "signed_token_refused": "This API does not take plain tokens.",
    "revoked": "The token was revoked.",
    "subscription_ended": "The subscription of the application had ended.",
    "subscription_missing": "The application had no subscription to this API.",
    "insufficient_scope": "The token lacked a scope that this operation needs.",
    "invalid_key": "The API key was unknown, expired or revoked.",
    "malformed_key": "The API key was malformed.",
    "key_refused": "This API does not take API keys.",
    "invalid_token": "The encrypted token could not be opened, or what was inside was no good.",
    "malformed_token": "The token was malformed.",
    "encrypted_token_refused": "This API does not take encrypted tokens.",
    "dpop_refused": "This API does not take DPoP-bound tokens.",
    "dpop_required": "The token was not bound to a key, and this API takes DPoP-bound ones only.",
    "proof_missing": "The token is bound to a key, and was sent without a proof of it.",
    "malformed_proof": "The DPoP proof was missing or malformed.",
    "invalid_dpop_proof": "The DPoP proof was not good for this call.",
    "network_refused": "The API key may not be used from that network.",
    "console_unavailable": "The console, which opens encrypted tokens and checks API keys, did not answer.",
}
CREDENTIALS = {"jwe": "Encrypted token", "jws": "Signed token", "key": "API key", "dpop": "DPoP-bound token"}


@dataclass(frozen=True)
class Span:
    name: str
    start_us: int
    length_us: int
    bad: bool = False


@dataclass(frozen=True)
class Story:
    sentence: str
    aside: str
    spans: list[Span]
    credential: str
    reason: str


def explain(record: Any) -> Story:
    gateway_us = record.duration_us - max(0, record.backend_us)
    asked = record.backend_us >= 0
    reason = "" if record.reason == "via_upstream" else meaning(record.reason)
    sentence = reason or _plain(record)
    aside = (
        f"The backend took {_ms(record.backend_us)}, the gateway {_ms(gateway_us)}."
        if asked
        else "The backend was not asked."
    )
    before = gateway_us // 2
    spans = (
        [Span("Gateway", 0, before), Span("Backend", before, record.backend_us, record.status >= 500)] if asked else []
    )
    spans.append(
        Span(
            "Reply" if asked else "Gateway",
            before + max(0, record.backend_us) if asked else 0,
            gateway_us - before if asked else gateway_us,
        )
    )
    return Story(sentence, aside, spans, CREDENTIALS.get(record.credential, "None"), record.reason)


def meaning(reason: str) -> str:
    """A sentence for what the gateway noted, or nothing when it says nothing to people."""
    word = reason.split("[")[-1].rstrip("]") if "matched_policy" in reason else reason
    word = word.removeprefix("jwt_authn_access_denied{").rstrip("}").rstrip(".")
    if word in REASONS:
        return REASONS[word]
    if reason.startswith("jwt_authn_access_denied"):
        return "The token was not acceptable: " + word.replace("_", " ") + "."
    if reason.startswith("upstream_reset") or reason == "no_healthy_upstream":
        return "The backend could not be reached, or closed the connection."
    if "timeout" in reason:
        return "The backend did not answer in time."
    return ""


def _plain(record: Any) -> str:
    if record.status == 410:
        return "This version is retired."
    if record.version_id == 0:
        return "No API is published at this path."
    if record.status < 400:
        return "Answered by the backend."
    return "The backend refused it." if record.status < 500 else "The backend failed."


def _ms(us: int) -> str:
    return f"{us / 1000:,.1f} ms" if us < 10_000 else f"{us / 1000:,.0f} ms"
