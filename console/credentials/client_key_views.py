"""Public keys of an application, with which it proves itself instead of with a secret."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import StringField, TextAreaField
from wtforms.validators import Length

from ..accounts.models import Permission
from ..applications.models import Application
from ..applications.queries import find_own_application
from ..errors import Refused
from ..runtime import runtime
from ..web.access import me, requires
from ..web.forms import Form
from ..web.htmx import render
from . import client_keys, queries

blueprint = Blueprint("client_keys", __name__)
P = Permission


class ClientKeyForm(Form):
    jwk = TextAreaField("Public key (JWK)", [Length(max=10_000)])
    jwks_uri = StringField("Address of its JWK Set", [Length(max=500)])


def _page(application: Application, form: ClientKeyForm, status: int = 200) -> Response:
    issuer = runtime().config.public_url
    return render("credentials/client_key.html", status=status, application=application, form=form, issuer=issuer)


@blueprint.get("/applications/<int:application_id>/client-keys/new")
@requires(P.USE_APPLICATIONS)
def new(application_id: int) -> Response:
    application = find_own_application(application_id, by=me())
    return _page(application, ClientKeyForm(jwks_uri=application.jwks_uri))


@blueprint.post("/applications/<int:application_id>/client-keys/new")
@requires(P.USE_APPLICATIONS)
def register(application_id: int) -> Response:
    application, form = find_own_application(application_id, by=me()), ClientKeyForm(request.form)
    if form.validate():
        form.attempt(_register, application, form)
    if form.errors:
        return _page(application, form, 422)
    flash("From now on the application may sign who it is with the private half.", "ok")
    return redirect(url_for("applications.show", application_id=application_id))


def _register(application: Application, form: ClientKeyForm) -> None:
    text, uri = (form.jwk.data or "").strip(), form.jwks_uri.data or ""
    if not text and uri == application.jwks_uri:
        raise Refused("Paste a public key, or write the address where the application publishes its own.", "jwk")
    client_keys.set_jwks_uri(application, uri, by=me())
    if text:
        client_keys.register_client_key(application, client_keys.parse_jwk(text), by=me())


@blueprint.post("/applications/<int:application_id>/client-keys/<int:key_id>/revoke")
@requires(P.USE_APPLICATIONS)
def revoke(application_id: int, key_id: int) -> Response:
    application = find_own_application(application_id, by=me())
    client_keys.revoke_client_key(queries.find_client_key(application, key_id), by=me())
    flash("What is signed with that key is refused from now on.", "ok")
    return redirect(url_for("applications.show", application_id=application_id))
