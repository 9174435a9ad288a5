"""One's own account: password, sessions, theme."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, request, url_for
from sqlalchemy import delete
from werkzeug.wrappers import Response

from ..audit.actions import record
from ..audit.models import Action
from ..db import db
from ..web.access import local_path, me, requires
from ..web.htmx import render
from ..web.pages import THEMES
from . import actions, queries
from .forms import ChangePasswordForm
from .models import Permission, Session

blueprint = Blueprint("profile", __name__)
P = Permission


@blueprint.get("/profile")
@requires(P.SIGNED_IN)
def show() -> Response:
    return _page(ChangePasswordForm())


def _page(form: ChangePasswordForm, status: int = 200) -> Response:
    return render("accounts/profile.html", status=status, form=form, sessions=queries.sessions_of(me()), here=_here())


def _here() -> str:
    row = g.get("session_row")
    return row.digest if row is not None else ""


@blueprint.post("/profile/password")
@requires(P.SIGNED_IN)
def change_password() -> Response:
    form = ChangePasswordForm(request.form)
    if not form.validate():
        return _page(form, 422)
    here = _here()
    form.attempt(actions.change_password, me(), current=form.current.data, password=form.password.data, keep=here)
    if form.errors:
        return _page(form, 422)
    flash("Your password is changed. Every other session of yours has ended.", "ok")
    return redirect(url_for("profile.show"))


@blueprint.post("/profile/sessions/end")
@requires(P.SIGNED_IN)
def end_others() -> Response:
    db.session.execute(delete(Session).where(Session.person_id == me().id, Session.digest != _here()))
    record(Action.SESSION_ENDED, me(), by=me(), changes={"sessions": "all others"})
    flash("Every other session of yours has ended.", "ok")
    return redirect(url_for("profile.show"))


@blueprint.post("/theme")
@requires(P.PUBLIC)
def theme() -> Response:
    """Remembered in the browser; it is a taste, not an account's property."""
    response = redirect(local_path(request.form.get("back", "/")))
    chosen = request.form.get("theme", "system")
    if chosen in THEMES:
        response.set_cookie("theme", chosen, max_age=365 * 86400, path="/", samesite="Lax", httponly=True)
    return response
