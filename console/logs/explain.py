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
    "certificate_missing": "No client certificate was shown, and this API takes nothing else.",
    "invalid_certificate": "The client certificate was unknown, expired or revoked.",
    "rate_limited": "The application called more often than its plan allows.",
    "quota_exhausted": "The application had made all calls that its plan allows.",
    "network_refused": "The API key may not be used from that network.",
    "console_unavailable": "The console, which opens encrypted tokens and checks API keys, did not answer.",
}
CREDENTIALS = {"jwe": "Encrypted token", "jws": "Signed token", "key": "API key", "dpop": "DPoP-bound token"}
CREDENTIALS["cert"] = "Client certificate"


# in the order in which a gateway asks, with the reasons that each of them gives
CHECKS: tuple[tuple[str, frozenset[str]], ...] = (
    ("Credential shown", frozenset({"Jwt_is_missing", "certificate_missing"})),
    ("Kind that is taken", frozenset({
        "encryption_required", "signed_token_refused", "key_refused", "encrypted_token_refused", "dpop_refused",
        "credential_refused",
    })),
    ("Well-formed", frozenset({"malformed_token", "malformed_key", "disguised_path"})),
    ("Known and unaltered", frozenset({
        "invalid_token", "invalid_key", "invalid_certificate", "Jwt_verification_fails", "Jwt_issuer_is_not_configured", "network_refused",
        "Jwks_doesn't_have_key_to_match_kid_or_alg_from_Jwt", "console_unavailable",
    })),
    ("Within its time", frozenset({"Jwt_is_expired", "Jwt_not_yet_valid"})),
    ("Not revoked", frozenset({"revoked"})),
    ("For this API", frozenset({"wrong_audience", "wrong_type"})),
    ("Proof of possession", frozenset({"proof_missing", "dpop_required", "malformed_proof", "invalid_dpop_proof"})),
    ("Subscription", frozenset({"subscription_ended", "subscription_missing"})),
    ("Scope", frozenset({"insufficient_scope"})),
    ("Quota", frozenset({"quota_exhausted"})),
    ("Rate limit", frozenset({"rate_limited"})),
)  # fmt: skip
HELP = {
    "Credential shown": "Send Authorization: Bearer with a token, or X-API-Key with a key, as the API's page says.",
    "Kind that is taken": "Get the kind of credential that the API's page names.",
    "Well-formed": "Send the whole token or key, without quotes or line breaks.",
    "Known and unaltered": "Get a new one from the application's page; make sure that nothing on the way changes it.",
    "Within its time": "Ask the token endpoint for a fresh token before the old one ends; check the clock of the machine.",
    "Not revoked": "Get a new one; ask the application's team who revoked it, or see the audit trail.",
    "For this API": "Ask the token endpoint for a token with this API as its resource.",
    "Proof of possession": "Sign a fresh DPoP proof for each call (RFC 9449).",
    "Subscription": "Subscribe the application to this version, or ask for its subscription to be approved.",
    "Scope": "Ask the token endpoint for a token with the scope that the operation needs.",
    "Quota": "Wait until it is refilled (Retry-After says when), or subscribe to a larger plan.",
    "Rate limit": "Call less often: RateLimit says how many calls are left, Retry-After when to come back.",
    "Route": "Check the address: the API's page shows the one that is served.",
    "Backend": "The gateway let it through. The API's team knows the backend.",
}


@dataclass(frozen=True)
class Span:
    name: str
    start_us: int
    length_us: int
    bad: bool = False


@dataclass(frozen=True)
class Step:
    """``state``: ok, bad, or skip (not asked, because one before it failed)."""

    name: str
    state: str

    @property
    def help(self) -> str:
        return HELP[self.name] if self.state == "bad" else ""


@dataclass(frozen=True)
class Story:
    sentence: str
    aside: str
    spans: list[Span]
    steps: list[Step]
    credential: str
    reason: str

    @property
    def help(self) -> str:
        return next((step.help for step in self.steps if step.help), "")


def explain(record: Any, version: Any = None) -> Story:
    """``version``: the one that was called, if it is still known."""
    gateway_us = record.duration_us - max(0, record.backend_us)
    asked = record.backend_us >= 0
    reason = "" if record.reason == "via_upstream" else meaning(record.reason)
    aside = (
        f"The backend took {_ms(record.backend_us)}, the gateway {_ms(gateway_us)}."
        if asked
        else "The backend was not asked."
    )
    return Story(
        reason or _plain(record),
        aside,
        _spans(record, gateway_us),
        _steps(record, version),
        CREDENTIALS.get(record.credential, "None"),
        record.reason,
    )


def _spans(record: Any, gateway_us: int) -> list[Span]:
    if record.backend_us < 0:
        return [Span("Gateway", 0, gateway_us)]
    before = gateway_us // 2  # nobody measures which part of the gateway's time was before the backend
    return [
        Span("Gateway", 0, before),
        Span("Backend", before, record.backend_us, record.status >= 500),
        Span("Reply", before + record.backend_us, gateway_us - before),
    ]


def _steps(record: Any, version: Any) -> list[Step]:
    """What the gateway asked, in its order. Of a refusal that nobody knows, only what is certain."""
    failed = _failed(record)
    names = ["Route", *(name for name, _ in CHECKS if name == failed or _is_asked(name, version)), "Backend"]
    if failed not in names and failed:
        return []
    at = names.index(failed) if failed else len(names)
    return [
        Step(name, "ok" if i < at else "bad" if i == at else "skip")
        for i, name in enumerate(names)
        if name != "Backend" or record.backend_us >= 0 or failed
    ]


def _is_asked(name: str, version: Any) -> bool:
    if name in ("Quota", "Rate limit"):
        return False  # most APIs have none, and who got through need not know
    if version is None:
        return True
    if "open" in version.accepts:
        return False
    return name != "Proof of possession" or version.dpop != "off"


def _failed(record: Any) -> str:
    """The check that failed; empty when none did, ``?`` when it is not known."""
    if record.version_id == 0 or record.status == 410 or _is_stopped(record):
        return "Route"
    if record.status < 400:
        return ""
    word = _word(record.reason)
    found = next((name for name, reasons in CHECKS if word in reasons), "")
    if found or record.backend_us >= 0 or _is_of_backend(record.reason):
        return found or "Backend"
    return "Known and unaltered" if record.reason.startswith("jwt_authn_access_denied") else "?"


def _is_stopped(record: Any) -> bool:
    return bool(record.status == 503 and record.reason == "direct_response")


def _is_of_backend(reason: str) -> bool:
    return reason.startswith("upstream_reset") or reason == "no_healthy_upstream" or "timeout" in reason


def _word(reason: str) -> str:
    word = reason.split("[")[-1].rstrip("]") if "matched_policy" in reason else reason
    return word.removeprefix("jwt_authn_access_denied{").rstrip("}").rstrip(".")


def meaning(reason: str) -> str:
    """A sentence for what the gateway noted, or nothing when it says nothing to people."""
    word = _word(reason)
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
    if _is_stopped(record):
        return "This version is switched off for now."
    if record.version_id == 0:
        return "No API is published at this path."
    if record.status < 400:
        return "Answered by the backend."
    return "The backend refused it." if record.status < 500 else "The backend failed."


def _ms(us: int) -> str:
    return f"{us / 1000:,.1f} ms" if us < 10_000 else f"{us / 1000:,.0f} ms"
