"""The keys of one API version: what its tokens are encrypted to, the secret it shares with us, who may ask about tokens."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from ..accounts.models import Permission
from ..apis.models import ApiVersion
from ..apis.queries import find_version
from ..applications.queries import find_application
from ..db import release
from ..errors import Refused
from ..tokens.remote import fetch_keys
from ..web.access import me, requires
from ..web.forms import Form, sent_twice
from ..web.htmx import render, secret_page
from . import encryption, queries, resource_servers, signing
from .client_keys import parse_jwk
from .models import Source

blueprint = Blueprint("version_keys", __name__)
P = Permission
HERE = "/apis/<slug>/<number>/keys"


class RegisterForm(Form):
    source = SelectField("Where it is", choices=[(Source.JWK, "Pasted here"), (Source.JWKS_URI, "At an address")])
    jwk = TextAreaField("Public key (JWK)", [Length(max=10_000)])
    jwks_uri = StringField("Address of its JWK Set", [Length(max=500)])


class ProveForm(Form):
    answer = StringField("What the challenge says", [InputRequired("Open the challenge and write what it says.")])


class ServerForm(Form):
    application = SelectField("Application", coerce=int)


def _to(version: ApiVersion) -> Response:
    return redirect(url_for("version_keys.show", slug=version.api.slug, number=version.version))


@blueprint.get(HERE)
@requires(P.READ_KEYS)
def show(slug: str, number: str) -> Response:
    return _page(find_version(slug, number))


def _page(version: ApiVersion, status: int = 200, **more: Any) -> Response:
    server = more.pop("server_form", None) or ServerForm()
    server.application.choices = [(a.id, f"{a.name}, {a.team.name}") for a in resource_servers.candidates(version)]
    context: dict[str, Any] = {
        "version": version,
        "keys": queries.encryption_keys_of(version.id),
        "secrets": signing.shared_secrets(version.id),
        "servers": resource_servers.of_version(version.id),
        "form": RegisterForm(),
        "prove_form": ProveForm(),
        "server_form": server,
        "challenge": "",
    }
    return render("apis/keys.html", status=status, **(context | more))


@blueprint.post(HERE + "/register")
@requires(P.MANAGE_KEYS)
def register(slug: str, number: str) -> Response:
    """A public key of the API's own; the answer is the challenge that it must open."""
    version, form = find_version(slug, number), RegisterForm(request.form)
    alg = version.encryption_alg
    release()  # a fetch takes a while; nobody should wait for the database meanwhile
    given = form.attempt(_given, form, alg) if form.validate() else None
    version = find_version(slug, number)
    if given is None:
        return _page(version, 422, form=form)
    uri = form.jwks_uri.data or "" if form.source.data == Source.JWKS_URI else ""
    made = form.attempt(encryption.register_key, version, given, uri=uri, by=me())
    if made is None:
        return _page(version, 422, form=form)
    return secret_page_of(version, made[1])


def secret_page_of(version: ApiVersion, challenge: str) -> Response:
    answer = _page(version, challenge=challenge)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _given(form: RegisterForm, alg: str) -> Any:
    if form.source.data == Source.JWKS_URI:
        if not form.jwks_uri.data:
            raise Refused("Write the address of the JWK Set.", "jwks_uri")
        try:
            return fetch_keys(form.jwks_uri.data, "enc", (alg,))[0]
        except Refused as refused:
            raise Refused(refused.message, "jwks_uri") from None
    return parse_jwk(form.jwk.data or "")


@blueprint.post(HERE + "/<int:key_id>/prove")
@requires(P.MANAGE_KEYS)
def prove(slug: str, number: str, key_id: int) -> Response:
    version, form = find_version(slug, number), ProveForm(request.form)
    key = queries.find_encryption_key(version.id, key_id)
    if form.validate():
        form.attempt(encryption.prove_key, key, form.answer.data or "", version, by=me())
    if form.errors:
        return _page(version, 422, prove_form=form)
    if version.key_source == key.source and version.is_serving:
        flash("Proven. From now on only the API can read its tokens.", "ok")
    else:
        flash("Proven. Choose “The API's own public key” under Token format and publish; then it is used.", "ok")
    return _to(version)


@blueprint.post(HERE + "/rotate")
@requires(P.MANAGE_KEYS)
def rotate(slug: str, number: str) -> Response:
    version = find_version(slug, number)
    encryption.rotate_encryption_key(version, by=me())
    flash("New tokens are encrypted to a new key. The one before opens those that are under way.", "ok")
    return _to(version)


@blueprint.post(HERE + "/<int:key_id>/revoke")
@requires(P.MANAGE_KEYS)
def revoke(slug: str, number: str, key_id: int) -> Response:
    version = find_version(slug, number)
    encryption.revoke_encryption_key(queries.find_encryption_key(version.id, key_id), version, by=me())
    flash("Tokens that are encrypted to that key are refused from now on.", "ok")
    return _to(version)


@blueprint.post(HERE + "/<int:key_id>/show")
@requires(P.MANAGE_KEYS)
def show_content_secret(slug: str, number: str, key_id: int) -> Response:
    """An A256KW secret, for the API's backend."""
    version = find_version(slug, number)
    secret = encryption.share_content_secret(queries.find_encryption_key(version.id, key_id), version, by=me())
    return _secret(version, secret)


@blueprint.post(HERE + "/secret")
@requires(P.MANAGE_KEYS)
def create_secret(slug: str, number: str) -> Response:
    """The next HS256 secret."""
    version = find_version(slug, number)
    if sent_twice():
        return _to(version)
    return _secret(version, signing.make_shared_secret(version.id, by=me()))


@blueprint.post(HERE + "/secret/use")
@requires(P.MANAGE_KEYS)
def use_secret(slug: str, number: str) -> Response:
    version = find_version(slug, number)
    signing.use_shared_secret(version.id, by=me())
    flash("The new secret signs now. The one before is good until its last token has expired.", "ok")
    return _to(version)


def _secret(version: ApiVersion, secret: dict[str, Any]) -> Response:
    text = orjson.dumps(secret, option=orjson.OPT_INDENT_2).decode()
    return secret_page("apis/shared_secret.html", version=version, text=text, alg=secret["alg"])


@blueprint.post(HERE + "/servers")
@requires(P.MANAGE_KEYS)
def name_server(slug: str, number: str) -> Response:
    """An application that may ask about any token of this version."""
    version, form = find_version(slug, number), ServerForm(request.form)
    form.application.choices = [(a.id, a.name) for a in resource_servers.candidates(version)]
    if form.validate():
        application = find_application(form.application.data, by=me())
        form.attempt(resource_servers.name_resource_server, version, application, by=me())
    if form.errors:
        return _page(version, 422, server_form=form)
    flash("It may ask about every token of this version now.", "ok")
    return _to(version)


@blueprint.post(HERE + "/servers/<int:application_id>/remove")
@requires(P.MANAGE_KEYS)
def remove_server(slug: str, number: str, application_id: int) -> Response:
    version = find_version(slug, number)
    resource_servers.remove_resource_server(version, find_application(application_id, by=me()), by=me())
    flash("It may ask about its own tokens only from now on.", "ok")
    return _to(version)
