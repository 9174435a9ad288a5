"""What a client may be given: the client credentials grant (RFC 6749 section 4.4) for one API (RFC 8707, RFC 9068)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from ..apis.models import Dpop
from ..applications.clients import Grant
from .client_auth import Caller
from .errors import OAuthError
from .issue import Profile, Token, issue_token


@dataclass(frozen=True)
class Granted:
    token: Token
    scope: str


def parse_form(body: bytes, content_type: str) -> dict[str, str]:
    """Form parameters; a repeated one is refused, an empty one is absent (RFC 6749 section 3.2)."""
    if content_type.split(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "Send the parameters as application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=50)
    except (UnicodeDecodeError, ValueError):
        raise OAuthError("invalid_request", "The form cannot be read.") from None
    form: dict[str, str] = {}
    for name, value in pairs:
        if name in form and name == "resource":
            raise OAuthError("invalid_target", "A token is for one API: name one resource.")
        if name in form:
            raise OAuthError("invalid_request", f"The parameter {name[:40]!a} is there twice.")
        form[name] = value
    return {name: value for name, value in form.items() if value}


def grant_client_credentials(who: Caller, grant: Grant, form: Mapping[str, str], jkt: str = "") -> Granted:
    """A token for ``grant``'s API with the scopes asked for, or all of them."""
    if not jkt and grant.dpop == Dpop.REQUIRED:
        raise OAuthError(
            "invalid_dpop_proof", "This API takes DPoP-bound tokens only: send a proof in the header DPoP."
        )
    if jkt and not grant.takes_dpop:
        raise OAuthError("invalid_request", "This API does not take DPoP-bound tokens. Ask without the header DPoP.")
    scope = allowed_scope(grant, form.get("scope", ""), who.scopes)
    token = issue_token(
        client_id=who.client.client_id,
        audience=grant.audience,
        scope=scope,
        lifetime_s=grant.lifetime_s,
        profile=profile_of(grant),
        jkt=jkt,
        plan=grant.plan,
    )
    return Granted(token, scope)


def check_grant_type(form: Mapping[str, str]) -> None:
    if "grant_type" not in form:
        raise OAuthError("invalid_request", "The parameter grant_type is missing.")
    if form["grant_type"] != "client_credentials":
        raise OAuthError("unsupported_grant_type", "Only client_credentials is supported.")


def profile_of(grant: Grant, *, encrypted: bool | None = None) -> Profile:
    return Profile(grant.version_id, grant.signing_alg, grant.is_encrypted if encrypted is None else encrypted)


def target(who: Caller, form: Mapping[str, str]) -> Grant:
    """The API that ``resource`` names, else the only one that has the scopes asked for."""
    resource = form.get("resource") or form.get("audience", "")
    usable = [g for g in who.client.grants if g.takes_tokens and not g.is_over]
    if not usable:
        raise OAuthError("unauthorized_client", "This client has no approved subscription to an API that takes tokens.")
    if resource:
        grant = next((g for g in usable if g.audience == resource), None)
        if grant is None:
            raise OAuthError("invalid_target", "This client has no approved subscription to that resource.")
        return grant
    wanted = set(form.get("scope", "").split())
    fitting = [g for g in usable if wanted and wanted <= set(g.scopes)] or usable
    if len(fitting) > 1:
        raise OAuthError(
            "invalid_target", "This client has several subscriptions: name one with the parameter resource."
        )
    return fitting[0]


def allowed_scope(grant: Grant, asked: str, limit: frozenset[str] = frozenset()) -> str:
    """Space-separated; everything allowed when nothing is asked for. ``limit``: of the credential; empty: none."""
    allowed = [scope for scope in grant.scopes if not limit or scope in limit]
    wanted = list(dict.fromkeys(asked.split()))
    if limit and grant.scopes and not allowed:
        raise OAuthError("invalid_scope", "This credential is limited to scopes that the API does not have.")
    if not wanted:
        return " ".join(allowed)
    if any(scope not in allowed for scope in wanted):
        raise OAuthError("invalid_scope", "A scope asked for is not one that this client may have at this API.")
    return " ".join(wanted)
