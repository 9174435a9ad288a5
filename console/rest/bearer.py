"""Who asks: the person of the access token in `Authorization: Bearer` (RFC 6750). Nothing else is looked at."""

from __future__ import annotations

from dataclasses import replace

from flask import g, request

from ..accounts.access_token_models import AccessToken, scope_for
from ..accounts.access_tokens import good_access_token
from ..accounts.models import Permission, Person
from ..audit.actions import origin
from ..db import will_write
from ..errors import Denied, Refused
from ..web.access import SAFE, is_readable_on_the_way

REALM = 'Bearer realm="gatewright"'


class Unproven(Refused):
    status = 401

    def __init__(self, message: str, error: str = "") -> None:
        super().__init__(message)
        self.headers = {"WWW-Authenticate": f'{REALM}, error="{error}"' if error else REALM}


class LacksScope(Denied):
    def __init__(self, message: str, scope: str) -> None:
        super().__init__(message)
        self.headers = {"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'}


def who() -> Person:
    """The person, who may do no more than the token's scopes say for as long as this request lasts."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unproven("Send a personal access token as `Authorization: Bearer gwp_…`. Make one on your profile.")
    if is_readable_on_the_way():
        raise Denied("Access tokens are refused over plain HTTP, because they could be read on the way. Use HTTPS.")
    token = good_access_token(text.strip())
    if token is None:
        raise Unproven(
            "This access token is not valid: mistyped, expired, revoked, or its owner's is deactivated.",
            "invalid_token",
        )
    if request.method not in SAFE:
        will_write()  # that its use was noted has ended what this request began
    g.access_token = token
    origin.set(replace(origin.get(), session=token.reference))
    token.person.limit_to(token.permissions)
    return token.person


def token() -> AccessToken:
    """With which this request came."""
    found: AccessToken = g.access_token
    return found


def denied(permission: Permission) -> Refused:
    scope = scope_for(permission)
    held = token().permissions
    if scope is None or permission in held:
        return Denied("Your role does not allow this. Ask an admin if you need it.")
    return LacksScope(f"This token has no scope for that. It takes {scope}.", scope)
