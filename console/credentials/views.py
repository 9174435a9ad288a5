"""Client secrets and API keys of an application; and the keys that sign and encrypt, for those who run the console."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import DateField, StringField
from wtforms.validators import InputRequired, Length, Optional

from ..accounts.models import Permission
from ..apis.queries import names
from ..applications.queries import find_own_application
from ..runtime import runtime
from ..web.access import me, requires
from ..web.forms import Form, plain_text, sent_twice
from ..web.htmx import render, secret_page
from . import actions, queries, rotation, signing

blueprint = Blueprint("credentials", __name__)
P = Permission


class KeyForm(Form):
    name = StringField("Name", [InputRequired("Name the key, by where it will live."), Length(max=80), plain_text])
    expires = DateField("Expires", [Optional()])

    @property
    def terms(self) -> actions.Terms:
        return actions.Terms(self.name.data or "", self.expires_at)

    @property
    def expires_at(self) -> datetime | None:
        return datetime.combine(self.expires.data, time(), UTC) if self.expires.data else None


def _to(application_id: int) -> Response:
    return redirect(url_for("applications.show", application_id=application_id))


@blueprint.post("/applications/<int:application_id>/secrets")
@requires(P.USE_APPLICATIONS)
def create_secret(application_id: int) -> Response:
    application = find_own_application(application_id, by=me())
    if sent_twice():
        return _to(application_id)
    secret, text = actions.create_secret(application, by=me())
    context: dict[str, Any] = {
        "application": application,
        "secret": secret,
        "text": text,
        "issuer": runtime().config.public_url,
    }
    return secret_page("credentials/secret.html", **context)


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
    return render("credentials/new_key.html", application=application, form=KeyForm())


@blueprint.post("/applications/<int:application_id>/keys/new")
@requires(P.USE_APPLICATIONS)
def create_key(application_id: int) -> Response:
    application, form = find_own_application(application_id, by=me()), KeyForm(request.form)
    if not form.validate():
        return render("credentials/new_key.html", status=422, application=application, form=form)
    if sent_twice():
        return _to(application_id)
    made = form.attempt(actions.create_key, application, form.terms, by=me())
    if made is None:
        return render("credentials/new_key.html", status=422, application=application, form=form)
    key, text = made
    callable_versions = [s.version for s in application.subscriptions if s.is_active and s.version.takes("key")]
    return secret_page("credentials/key.html", application=application, key=key, text=text, versions=callable_versions)


@blueprint.post("/applications/<int:application_id>/keys/<int:key_id>/revoke")
@requires(P.USE_APPLICATIONS)
def revoke_key(application_id: int, key_id: int) -> Response:
    application = find_own_application(application_id, by=me())
    actions.revoke_key(queries.find_key(application, key_id), by=me())
    flash("That API key is refused from now on, at every gateway within two seconds.", "ok")
    return _to(application_id)


@blueprint.get("/keys")
@requires(P.READ_KEYS)
def index() -> Response:
    encryption = queries.encryption_keys()
    context: dict[str, Any] = {
        "signing": queries.signing_keys(),
        "encryption": encryption,
        "versions": names({k.version_id for k in encryption}),
        "lead_s": rotation.PUBLISH_LEAD_S,
    }
    return render("credentials/index.html", **context)


@blueprint.post("/keys/rotate")
@requires(P.MANAGE_KEYS)
def rotate() -> Response:
    signing.rotate_signing_key(by=me())
    flash("The next key signs now. The one before stays published until its last token has expired.", "ok")
    return redirect(url_for("credentials.index"))
