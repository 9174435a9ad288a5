"""What a client may be given: client authentication and the client credentials grant (RFC 6749 sections 2.3, 4.4)."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from ..applications.clients import Client, Grant, client
from ..credentials.secrets import digest
from ..errors import Refused
from .issue import Token, issue_token

NOBODY = "0" * 64
CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")  # what else is asked for is neither looked up nor remembered


class OAuthError(Refused):
    """``code`` and ``status`` as the RFC that names the code says."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.code, self.status = code, status


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
        if name in form:
            raise OAuthError("invalid_request", f"The parameter {name[:40]!a} is there twice.")
        form[name] = value
    return {name: value for name, value in form.items() if value}


def authenticate_client(authorization: str, form: Mapping[str, str]) -> Client:
    """The client, by HTTP Basic or by ``client_id`` and ``client_secret`` in the form; one of them only.

    An unknown client and a wrong secret get the same answer after the same work.
    """
    scheme, _, value = authorization.partition(" ")
    if authorization and "client_secret" in form:
        raise OAuthError("invalid_request", "Use one way of client authentication, not two.")
    if scheme.lower() == "basic":
        client_id, secret = _basic(value)
    elif authorization:
        raise invalid_client("Use HTTP Basic, or client_id and client_secret in the form.")
    else:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    found = client(client_id) if CLIENT_ID.fullmatch(client_id) else None
    shown = digest(secret)
    matches = [hmac.compare_digest(shown, kept) for kept in (found.secrets if found else ()) or (NOBODY,)]
    if found is None or not any(matches):
        raise invalid_client("The client id or the client secret is wrong.")
    return found


def invalid_client(description: str) -> OAuthError:
    return OAuthError("invalid_client", description, 401)


def _basic(value: str) -> tuple[str, str]:
    """Both halves are form-encoded before base64 (RFC 6749 section 2.3.1)."""
    try:
        user, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError:  # not base64, not ASCII, not UTF-8
        raise invalid_client("The Authorization header is not valid HTTP Basic.") from None
    if not colon:
        raise invalid_client("The Authorization header is not valid HTTP Basic.")
    return unquote_plus(user), unquote_plus(password)


def grant_client_credentials(who: Client, form: Mapping[str, str]) -> Granted:
    """A token for the API that ``resource`` names (RFC 8707), with the scopes asked for, or all of them."""
    if "grant_type" not in form:
        raise OAuthError("invalid_request", "The parameter grant_type is missing.")
    if form["grant_type"] != "client_credentials":
        raise OAuthError("unsupported_grant_type", "Only client_credentials is supported.")
    grant = _target(who, form.get("resource") or form.get("audience", ""))
    scope = allowed_scope(grant, form.get("scope", ""))
    token = issue_token(
        client_id=who.client_id,
        audience=grant.audience,
        scope=scope,
        lifetime_s=grant.lifetime_s,
        encrypt_for=grant.encrypt_for,
    )
    return Granted(token, scope)


def _target(who: Client, resource: str) -> Grant:
    usable = [g for g in who.grants if g.accepts & {"signed", "encrypted"}]
    if not usable:
        raise OAuthError("unauthorized_client", "This client has no approved subscription to an API that takes tokens.")
    if resource:
        grant = next((g for g in usable if g.audience == resource), None)
        if grant is None:
            raise OAuthError("invalid_target", "This client has no approved subscription to that resource.")
        return grant
    if len(usable) > 1:
        raise OAuthError(
            "invalid_target", "This client has several subscriptions: name one with the parameter resource."
        )
    return usable[0]


def allowed_scope(grant: Grant, asked: str) -> str:
    """Space-separated; everything the subscription allows when nothing is asked for."""
    wanted = list(dict.fromkeys(asked.split()))
    if not wanted:
        return " ".join(grant.scopes)
    if any(scope not in grant.scopes for scope in wanted):
        raise OAuthError("invalid_scope", "A scope asked for is not one that this API has.")
    return " ".join(wanted)
