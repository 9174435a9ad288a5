"""Who may do what: every view names its permission, and a view that names none is refused."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, abort, current_app, g, redirect, request, url_for
from flask_login import LoginManager, current_user
from werkzeug.wrappers import Response as AnyResponse

from ..accounts.models import Permission, Person
from ..db import db
from ..errors import Denied, Refused
from ..runtime import runtime

F = TypeVar("F", bound=Callable[..., Any])
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def requires(permission: Permission) -> Callable[[F], F]:
    """What a person needs for this view. Put it under the route."""

    def mark(view: F) -> F:
        view.permission = permission  # type: ignore[attr-defined]
        return view

    return mark


def permission_of(app: Flask, endpoint: str) -> Permission | None:
    return getattr(app.view_functions.get(endpoint), "permission", None)


class Programs(Blueprint):
    """Views for programs: ``who`` says who asks, by what she sent with this request and never by a browser's session, so
    no other site can ask in her name. ``denied`` says what she lacks."""

    def __init__(
        self,
        name: str,
        *,
        prefix: str,
        who: Callable[[], Person],
        denied: Callable[[Permission], Refused],
    ) -> None:
        super().__init__(name, __name__, url_prefix=prefix)
        self.who, self.denied = who, denied


def programs() -> Programs | None:
    """Of the view that is asked for, if it is one for programs."""
    part = current_app.blueprints.get(request.blueprint or "")
    return part if isinstance(part, Programs) else None


def me() -> Person:
    """The signed-in person; only in views that need one."""
    if "person" in g:
        return cast(Person, g.person)
    if not current_user.is_authenticated:
        abort(401)
    return cast(Person, current_user._get_current_object())


def viewer() -> Person | None:
    """Who looks at a page that anybody may open, where she is signed in."""
    return me() if current_user.is_authenticated else None


def install(app: Flask) -> None:
    manager = LoginManager(app)
    manager.session_protection = None  # sessions are bound to the browser by web.session
    manager._load_user_from_remember_cookie = lambda cookie: None  # there is none; whatever bears its name is not read

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(person_id: str) -> Person | None:
        person = db.session.get(Person, int(person_id))
        return person if person is not None and person.is_active else None

    app.before_request(refuse_foreign)
    app.before_request(check_access)


def check_access() -> AnyResponse | None:
    if request.endpoint is None:
        return None  # 404 or 405 by itself
    permission = permission_of(current_app, request.endpoint)
    if permission is None:
        raise Denied("This page names no permission, so nobody may see it.")
    if permission == Permission.PUBLIC:
        return None
    part = programs()
    if part is not None:
        g.person = part.who()
        if not g.person.may(permission):
            raise part.denied(permission)
        return None
    if not current_user.is_authenticated:
        return ask_to_sign_in()
    if not me().may(permission):
        raise Denied("Your role does not allow this. Ask an admin if you need it.")
    return None


def ask_to_sign_in() -> AnyResponse:
    here = request.full_path.rstrip("?") if request.method == "GET" else "/"
    target = url_for("accounts.login", next=here if here != "/" else None)
    if request.headers.get("HX-Request"):
        return Response("Your session has ended.", 401, {"HX-Redirect": target})
    return redirect(target)


class Foreign(Refused):
    status = 403


def refuse_foreign() -> None:
    """Cross-site requests change nothing. Browsers say where a request comes from; no token is needed in forms."""
    if request.method in SAFE or programs() is not None:
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        good = site in ("same-origin", "none")
    elif "Origin" in request.headers:
        good = urlsplit(request.headers["Origin"]).netloc == request.host
    else:
        good = not request.cookies  # no browser; without a cookie it has nobody's rights
    if not good:
        raise Foreign("This request came from another site, so nothing was done.")


def local_path(target: str | None) -> str:
    """A path of ours to go on to, whatever was asked for."""
    # browsers drop tabs and line ends from an address, and read \ as /
    if (
        not target
        or not target.startswith("/")
        or target.startswith(("//", "/\\"))
        or any(ord(c) <= 32 for c in target)
    ):
        return "/"
    return target


def refuse_plain_http() -> None:
    """In production no password goes over plain HTTP, except on this machine."""
    if not is_readable_on_the_way():
        return
    raise Denied(
        "Sign-in is refused over plain HTTP, because the password could be read on the way. Set GATEWRIGHT_TLS_CERT and "
        "GATEWRIGHT_TLS_KEY, or put a proxy with HTTPS in front and name it in GATEWRIGHT_TRUSTED_PROXIES."
    )


def is_readable_on_the_way() -> bool:
    """In production, a request over plain HTTP from another machine."""
    return runtime().config.production and not request.is_secure and not is_loopback(request.remote_addr or "")


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
