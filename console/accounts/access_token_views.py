"""One's own personal access tokens."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import IntegerField, SelectMultipleField, StringField
from wtforms.validators import InputRequired, Length, NumberRange
from wtforms.widgets import CheckboxInput, ListWidget

from ..runtime import runtime
from ..web.access import me, requires
from ..web.forms import Form, plain_text, sent_twice
from ..web.htmx import render, secret_page
from .access_token_models import MEANINGS
from .access_tokens import (
    LONGEST_DAYS,
    access_tokens,
    create_access_token,
    find_access_token,
    revoke_access_token,
    scopes_of,
)
from .models import Permission

blueprint = Blueprint("access_tokens", __name__)
P = Permission


class AccessTokenForm(Form):
    name = StringField("Name", [InputRequired("Name the token, by where it will live."), Length(max=80), plain_text])
    days = IntegerField(
        "Lives for", [InputRequired("How many days?"), NumberRange(1, LONGEST_DAYS, f"1 to {LONGEST_DAYS} days.")]
    )
    scopes = SelectMultipleField("Scopes", option_widget=CheckboxInput(), widget=ListWidget())


def _form(data: Any = None) -> AccessTokenForm:
    form = AccessTokenForm(data, days=90)
    form.scopes.choices = [(str(scope), MEANINGS[scope]) for scope in scopes_of(me())]
    return form


def _page(form: AccessTokenForm, status: int = 200) -> Response:
    return render("accounts/access_tokens.html", status=status, form=form, tokens=access_tokens(me()))


@blueprint.get("/profile/tokens")
@requires(P.SIGNED_IN)
def index() -> Response:
    return _page(_form())


@blueprint.post("/profile/tokens")
@requires(P.SIGNED_IN)
def create() -> Response:
    form = _form(request.form)
    if not form.validate():
        return _page(form, 422)
    if sent_twice():
        return redirect(url_for("access_tokens.index"))
    made = form.attempt(
        create_access_token, form.name.data or "", form.scopes.data or [], days=form.days.data or 0, by=me()
    )
    if made is None:
        return _page(form, 422)
    token, text = made
    return secret_page("accounts/access_token.html", token=token, text=text, address=runtime().config.public_url)


@blueprint.post("/profile/tokens/<int:token_id>/revoke")
@requires(P.SIGNED_IN)
def revoke(token_id: int) -> Response:
    token = find_access_token(token_id, by=me())
    revoke_access_token(token, by=me())
    flash(f"The token {token.name} is refused from now on.", "ok")
    return redirect(url_for("access_tokens.index"))
