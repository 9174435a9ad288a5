"""What Envoy itself answers: problem documents (RFC 9457) and challenges (RFC 6750) that say what to do."""

from __future__ import annotations

from .base import JWT, NAMESPACE, PROBLEM, RBAC, REVOKED, Json, T, literal, set_header
from .limits import ALLOWED, REFILLED, RETRY_AFTER


def cel(expression: str) -> Json:
    typed = {"@type": T + "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter", "expression": expression}
    return {"extension_filter": {"name": "cel", "typed_config": typed}}


def _problem(reason: str, title: str, detail: str) -> Json:
    return {
        "type": PROBLEM + reason,
        "title": title,
        "status": "%RESPONSE_CODE%",
        "detail": detail,
        "request_id": "%REQ(X-REQUEST-ID)%",
    }


def _mapper(
    expression: str,
    reason: str,
    title: str,
    detail: str,
    status: int | None = None,
    challenge: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Json:
    added = [set_header(k, v) for k, v in headers]
    if challenge is not None:  # overwrites the one of jwt_authn: exactly one challenge
        added.append(set_header("www-authenticate", challenge))
    mapper: Json = {
        "filter": cel(expression),
        "headers_to_add": [*added, set_header("cache-control", "no-store")],
        "body_format_override": {
            "content_type": "application/problem+json",
            "json_format": _problem(reason, title, detail),
        },
    }
    if status is not None:
        mapper["status_code"] = status
    return mapper


def local_replies(realm: str) -> Json:
    """The first mapper that matches answers. direct_response and the Lua filter bring their own bodies."""
    realm_ = literal(realm)

    def token(reason: str, expression: str, title: str, detail: str, status: int = 401) -> Json:
        challenge = f'Bearer realm="{realm_}", error="invalid_token", error_description="{detail}"'
        return _mapper(expression, reason, title, detail, status, challenge if status == 401 else None)

    def bound(reason: str, title: str, detail: str) -> Json:
        challenge = f'DPoP realm="{realm_}", error="invalid_token", error_description="{detail}"'
        return _mapper(rbac(reason), reason, title, detail, 401, challenge)

    def jwt(message: str) -> str:  # the details hold the message with _ for blanks
        return f"response.code_details == 'jwt_authn_access_denied{{{message.replace(' ', '_')}}}'"

    def rbac(policy: str) -> str:
        return f"response.code_details == 'rbac_access_denied_matched_policy[{policy}]'"

    def starts(*prefixes: str) -> str:
        return " || ".join(f"response.code_details.startsWith('{p}')" for p in prefixes)

    scope = f"%DYNAMIC_METADATA({RBAC}:shadow_effective_policy_id)%"
    audience, scheme = (f"%METADATA(ROUTE:{NAMESPACE}:{name})%" for name in ("audience", "scheme"))
    return {
        "mappers": [
            _mapper(
                jwt("Jwt is missing"),
                "token_missing",
                "An access token is needed",
                f"Send an access token for this API in the Authorization header: Authorization: {scheme} <token>.",
                401,
                f'{scheme} realm="{realm_}"',
            ),
            token(
                "token_expired",
                jwt("Jwt is expired"),
                "The access token has expired",
                "The access token has expired. Ask the token endpoint for a new one.",
            ),
            token(
                "token_not_yet_valid",
                jwt("Jwt not yet valid"),
                "The access token is not valid yet",
                "The access token is not valid yet. Check the clock of the issuer and of this gateway.",
            ),
            token(
                "unknown_issuer",
                jwt("Jwt issuer is not configured"),
                "The access token comes from another issuer",
                "The access token was not issued by the authorization server of this gateway.",
            ),
            token(
                "unknown_key",
                jwt("Jwks doesn't have key to match kid or alg from Jwt").replace("doesn't", "doesn\\'t"),
                "The access token is signed with an unknown key",
                "No current signing key has the kid and alg of this access token. Ask the token endpoint for a new one.",
            ),
            token(
                "bad_signature",
                jwt("Jwt verification fails"),
                "The access token cannot be verified",
                "The signature of the access token does not match its content, or the token never expires.",
            ),
            token(
                "not_a_signed_token",
                starts("jwt_authn_access_denied{Jwt_is_not_in_the_form"),
                "This is not a signed access token",
                "This API takes signed access tokens: three parts with two dots. Ask the token endpoint for one.",
            ),
            token(
                "invalid_token",
                starts("jwt_authn_access_denied{"),
                "The access token is not valid",
                f"The access token is not valid: %DYNAMIC_METADATA({JWT}:jwt_failure:message)%.",
            ),
            token(
                "token_revoked",
                rbac(REVOKED),
                "The access token was revoked",
                "The access token was revoked. Ask the token endpoint for a new one.",
            ),
            token(
                "malformed_token",
                rbac("malformed_token"),
                "The Authorization header is malformed",
                "Send exactly one Authorization header: Bearer, a blank, and the token, nothing else.",
            ),
            token(
                "wrong_audience",
                rbac("wrong_audience"),
                "The access token is for another API",
                f"The access token is for another API. This one needs the audience {audience}.",
            ),
            token(
                "wrong_type",
                rbac("wrong_type"),
                "This is not an access token",
                "The token is not an access token: its type (typ) must be at+jwt. An ID token does not open an API.",
            ),
            token(
                "encryption_required",
                rbac("encryption_required"),
                "This API takes encrypted tokens only",
                "This API takes encrypted tokens only. Ask the token endpoint for an encrypted one (JWE).",
            ),
            bound(
                "proof_missing",
                "The access token is bound to a key",
                "Send this token in Authorization: DPoP, with a proof of its key in the header DPoP (RFC 9449).",
            ),
            bound(
                "dpop_required",
                "This API takes DPoP-bound tokens only",
                "Ask the token endpoint with a DPoP proof, and send the token with one (RFC 9449).",
            ),
            token(
                "signed_token_refused",
                rbac("signed_token_refused"),
                "This API does not take signed tokens",
                "This API does not take plain access tokens. Send an API key, or a certificate, as its page says.",
            ),
            token(
                "credential_refused",
                rbac("credential_refused"),
                "The kind of credential is not known",
                "The gateway could not tell whether this credential is one that this API takes.",
            ),
            _mapper(
                rbac("disguised_path"),
                "disguised_path",
                "The path hides letters behind percent signs",
                "Send letters, digits, dots, dashes and underscores of the path as they are, not as %%xx.",
                400,
            ),
            _mapper(
                rbac("subscription_ended"),
                "subscription_ended",
                "The subscription has ended",
                f"The application %DYNAMIC_METADATA({JWT}:jwt:client_id)% has no active subscription of this API. "
                "Subscribe again in the developer portal.",
                403,
            ),
            _mapper(
                rbac("insufficient_scope"),
                "insufficient_scope",
                "The access token lacks a scope",
                f"This call needs the scope {scope}, which the access token does not have.",
                403,
                f'Bearer realm="{realm_}", error="insufficient_scope", scope="{scope}"',
            ),
            _mapper(
                "response.code_details == 'local_rate_limited'",
                "rate_limited",
                "Too many calls",
                f"The plan allows {ALLOWED}. Call again in {RETRY_AFTER} seconds.",
                429,
                headers=(("retry-after", RETRY_AFTER),),
            ),
            _mapper(
                rbac("quota_exhausted"),
                "quota_exhausted",
                "The quota is used up",
                f"The application %DYNAMIC_METADATA({JWT}:jwt:client_id)% has made all calls that its plan allows. "
                f"The quota is refilled at {REFILLED}.",
                429,
                headers=(("retry-after", REFILLED),),  # a date is as good as seconds (RFC 9110 section 10.2.3)
            ),
            _mapper(
                starts("upstream_response_timeout", "response_timeout", "upstream_per_try_timeout"),
                "backend_timeout",
                "The backend took too long",
                "The backend behind this API did not answer in time.",
                504,
            ),
            _mapper(
                "response.code_details.startsWith('upstream_reset_before_response_started{') && "
                "response.code_details.contains('connection_timeout')",
                "backend_unreachable",
                "The backend cannot be reached",
                "The gateway got no connection to the backend behind this API in time. Try again in a moment.",
                503,
                headers=(("retry-after", "5"),),
            ),
            _mapper(
                starts("upstream_reset_before_response_started{", "no_healthy_upstream", "cluster_not_found"),
                "backend_unavailable",
                "The backend does not answer",
                "The backend behind this API does not answer (%RESPONSE_FLAGS%). The request may be tried again.",
                503,
                headers=(("retry-after", "5"),),
            ),
            _mapper(
                "response.code >= 400 && response.code_details != 'direct_response' && "
                "response.code_details != 'lua_response'",
                "gateway_refused",
                "The gateway refused the request",
                "The gateway refused the request (%RESPONSE_CODE_DETAILS%).",
            ),
        ]
    }
