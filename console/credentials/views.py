"""Client secrets and API keys of an application: made and shown once, replaced, revoked."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import DateField, RadioField, SelectMultipleField, StringField
from wtforms.validators import InputRequired, Length, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from ..accounts.models import Permission
from ..applications.models import Application
from ..applications.queries import find_own_application
from ..runtime import runtime
from ..web.access import me, requires
from ..web.forms import Form, plain_text, sent_twice
from ..web.htmx import render, secret_page
from . import actions, queries
from .limits import parse_networks
from .models import ApiKey, ClientSecret, Credential

blueprint = Blueprint("credentials", __name__)
P = Permission


class TermsForm(Form):
    """What a key or a secret is called, and what limits it."""

    name = StringField("Name", [Length(max=80), plain_text])
    expires = DateField("Expires", [Optional()])
    scopes = SelectMultipleField("Scopes", option_widget=CheckboxInput(), widget=ListWidget())
    networks = StringField("Only from these networks", [Length(max=500)])

    def offer(self, application: Application) -> None:
        active = [s.version for s in application.subscriptions if s.is_active]
        self.scopes.choices = [(scope, scope) for scope in sorted({scope for v in active for scope in v.scopes})]

    @property
    def terms(self) -> actions.Terms:
        ends = datetime.combine(self.expires.data, time(), UTC) if self.expires.data else None
        networks = parse_networks(self.networks.data or "")
        return actions.Terms(self.name.data or "", ends, tuple(self.scopes.data or ()), tuple(networks))


class KeyForm(TermsForm):
    name = StringField("Name", [InputRequired("Name the key, by where it will live."), Length(max=80), plain_text])


class RotateForm(Form):
    overlap = RadioField(
        "The old one",
        choices=[
            (actions.Overlap.IDLE, "ends when the logs show that nobody has used it for a day"),
            (actions.Overlap.HOUR, "ends after 1 hour"),
            (actions.Overlap.DAY, "ends after 24 hours"),
            (actions.Overlap.WEEK, "ends after 7 days"),
            (actions.Overlap.NOW, "ends now"),
        ],
        default=actions.Overlap.DAY,
    )


def _to(application_id: int) -> Response:
    return redirect(url_for("applications.show", application_id=application_id))


def _terms_form(kind: type[TermsForm], application: Application, data: Any = None) -> TermsForm:
    form = kind(data)
    form.offer(application)
    return form


@blueprint.get("/applications/<int:application_id>/secrets/new")
@requires(P.USE_APPLICATIONS)
def new_secret(application_id: int) -> Response:
    application = find_own_application(application_id, by=me())
    form = _terms_form(TermsForm, application)
    return render("credentials/new.html", application=application, form=form, kind="secrets")


@blueprint.post("/applications/<int:application_id>/secrets")
@requires(P.USE_APPLICATIONS)
def create_secret(application_id: int) -> Response:
    application = find_own_application(application_id, by=me())
    form = _terms_form(TermsForm, application, request.form)
    if not form.validate():
        return render("credentials/new.html", status=422, application=application, form=form, kind="secrets")
    if sent_twice():
        return _to(application_id)
    made = form.attempt(lambda: actions.create_secret(application, form.terms, by=me()))
    if made is None:
        return render("credentials/new.html", status=422, application=application, form=form, kind="secrets")
    return _secret_page(application, *made)


def _secret_page(application: Application, secret: ClientSecret, text: str) -> Response:
    issuer = runtime().config.public_url
    return secret_page("credentials/secret.html", application=application, secret=secret, text=text, issuer=issuer)


@blueprint.post("/applications/<int:application_id>/secrets/<int:secret_id>/revoke")
@requires(P.USE_APPLICATIONS)
def revoke_secret(application_id: int, secret_id: int) -> Response:
    application = find_own_application(application_id, by=me())
    actions.revoke_secret(queries.find_secret(application, secret_id), by=me())
    flash("That client secret is refused from now on.", "ok")
    return _to(application_id)


@blueprint.get("/applications/<int:application_id>/keys/new")
@requires(P.USE_APPLICATIONS)
def new_key(application_id: int) -> Response:
    application = find_own_application(application_id, by=me())
    form = _terms_form(KeyForm, application)
    return render("credentials/new.html", application=application, form=form, kind="keys")


@blueprint.post("/applications/<int:application_id>/keys/new")
@requires(P.USE_APPLICATIONS)
def create_key(application_id: int) -> Response:
    application = find_own_application(application_id, by=me())
    form = _terms_form(KeyForm, application, request.form)
    if not form.validate():
        return render("credentials/new.html", status=422, application=application, form=form, kind="keys")
    if sent_twice():
        return _to(application_id)
    made = form.attempt(lambda: actions.create_key(application, form.terms, by=me()))
    if made is None:
        return render("credentials/new.html", status=422, application=application, form=form, kind="keys")
    return _key_page(application, *made)


def _key_page(application: Application, key: ApiKey, text: str) -> Response:
    callable_versions = [s.version for s in application.subscriptions if s.is_active and s.version.takes("key")]
    return secret_page("credentials/key.html", application=application, key=key, text=text, versions=callable_versions)


@blueprint.post("/applications/<int:application_id>/keys/<int:key_id>/revoke")
@requires(P.USE_APPLICATIONS)
def revoke_key(application_id: int, key_id: int) -> Response:
    application = find_own_application(application_id, by=me())
    actions.revoke_key(queries.find_key(application, key_id), by=me())
    flash("That API key is refused from now on, at every gateway within two seconds.", "ok")
    return _to(application_id)


@blueprint.get("/applications/<int:application_id>/secrets/<int:secret_id>/rotate")
@requires(P.USE_APPLICATIONS)
def rotate_secret_form(application_id: int, secret_id: int) -> Response:
    application = find_own_application(application_id, by=me())
    return _rotate_page(application, queries.find_secret(application, secret_id), RotateForm())


def _rotate_page(application: Application, row: Credential, form: RotateForm, status: int = 200) -> Response:
    kind = "keys" if isinstance(row, ApiKey) else "secrets"
    return render("credentials/rotate.html", status=status, application=application, row=row, form=form, kind=kind)


@blueprint.post("/applications/<int:application_id>/secrets/<int:secret_id>/rotate")
@requires(P.USE_APPLICATIONS)
def rotate_secret(application_id: int, secret_id: int) -> Response:
    application, form = find_own_application(application_id, by=me()), RotateForm(request.form)
    secret = queries.find_secret(application, secret_id)
    if form.validate() and sent_twice():
        return _to(application_id)
    made = form.attempt(actions.rotate_secret, secret, form.overlap.data, by=me()) if not form.errors else None
    return _secret_page(application, *made) if made else _rotate_page(application, secret, form, 422)


@blueprint.get("/applications/<int:application_id>/keys/<int:key_id>/rotate")
@requires(P.USE_APPLICATIONS)
def rotate_key_form(application_id: int, key_id: int) -> Response:
    application = find_own_application(application_id, by=me())
    return _rotate_page(application, queries.find_key(application, key_id), RotateForm())


@blueprint.post("/applications/<int:application_id>/keys/<int:key_id>/rotate")
@requires(P.USE_APPLICATIONS)
def rotate_key(application_id: int, key_id: int) -> Response:
    application, form = find_own_application(application_id, by=me()), RotateForm(request.form)
    key = queries.find_key(application, key_id)
    if form.validate() and sent_twice():
        return _to(application_id)
    made = form.attempt(actions.rotate_key, key, form.overlap.data, by=me()) if not form.errors else None
    return _key_page(application, *made) if made else _rotate_page(application, key, form, 422)
