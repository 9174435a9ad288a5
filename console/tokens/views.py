"""Get a token: made by hand, shown once, with a line to paste."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import IntegerField, SelectField, SelectMultipleField
from wtforms.validators import InputRequired
from wtforms.widgets import CheckboxInput, ListWidget

from ..accounts.models import Permission
from ..apis import openapi
from ..apis.models import Accepts, ApiVersion
from ..applications.models import Application
from ..applications.queries import find_own_application
from ..web.access import me, requires
from ..web.forms import Form, sent_twice
from ..web.htmx import render, secret_page
from . import actions, queries
from .issue import Token
from .verify import verify

blueprint = Blueprint("tokens", __name__)
P = Permission


class TokenForm(Form):
    version = SelectField("API", coerce=int)
    lifetime = IntegerField("Minutes", [InputRequired("For how many minutes?")], default=15)
    scopes = SelectMultipleField("Scopes", option_widget=CheckboxInput(), widget=ListWidget())


def callable_versions(application: Application) -> list[ApiVersion]:
    """Those a token can be made for."""
    takes = {Accepts.SIGNED, Accepts.ENCRYPTED}
    return [
        s.version
        for s in application.subscriptions
        if s.is_active and s.version.is_serving and takes & set(s.version.accepts)
    ]


@blueprint.get("/applications/<int:application_id>/tokens/new")
@requires(P.USE_APPLICATIONS)
def new(application_id: int) -> Response:
    application = find_own_application(application_id, by=me())
    return _page(application, TokenForm(version=request.args.get("version", 0, int)))


def _page(application: Application, form: TokenForm, status: int = 200) -> Response:
    versions = callable_versions(application)
    _offer(form, versions)
    return render("tokens/new.html", status=status, application=application, form=form, versions=versions)


def _offer(form: TokenForm, versions: list[ApiVersion]) -> None:
    form.version.choices = [(v.id, v.name) for v in versions]
    form.scopes.choices = [(scope, scope) for scope in sorted({scope for v in versions for scope in v.scopes})]


@blueprint.post("/applications/<int:application_id>/tokens/new")
@requires(P.USE_APPLICATIONS)
def create(application_id: int) -> Response:
    application, form = find_own_application(application_id, by=me()), TokenForm(request.form)
    versions = callable_versions(application)
    _offer(form, versions)
    if not form.validate():
        return _page(application, form, 422)
    if sent_twice():
        return redirect(url_for("applications.show", application_id=application_id))
    version = next(v for v in versions if v.id == form.version.data)
    scope = " ".join(s for s in form.scopes.data or [] if s in version.scopes)
    token = form.attempt(actions.make_token, application, version, scope, (form.lifetime.data or 0) * 60, by=me())
    if token is None:
        return _page(application, form, 422)
    return secret_page(
        "tokens/show.html", application=application, version=version, token=token, **_inside(token, version)
    )


def _inside(token: Token, version: ApiVersion) -> dict[str, Any]:
    """What the token says, for the page that shows it once."""
    verified = verify(token.text)
    names = (
        ("Header", "Encrypted key", "Nonce", "Ciphertext", "Tag")
        if token.format == "encrypted"
        else ("Header", "Claims", "Signature")
    )
    pretty = orjson.dumps(verified.claims, option=orjson.OPT_INDENT_2).decode()
    return {
        "segments": list(zip(names, token.text.split("."), strict=True)),
        "claims": pretty,
        "scopes": str(verified.claims.get("scope", "")).split(),
        "sealed": verified.is_sealed,
        "snippets": snippets(version.url + example_path(version), token.text),
    }


def snippets(url: str, token: str) -> list[tuple[str, str]]:
    """A call that works when pasted, by language."""
    return [
        ("curl", f"curl {url} \\\n  -H 'Authorization: Bearer {token}'"),
        ("Python", f'import requests\n\nanswer = requests.get(\n    "{url}",\n    headers={{"Authorization": "Bearer {token}"}},\n)\n'
         "print(answer.status_code, answer.json())"),
        ("JavaScript", f'const answer = await fetch("{url}", {{\n  headers: {{ Authorization: "Bearer {token}" }},\n}});\n'
         "console.log(answer.status, await answer.json());"),
    ]  # fmt: skip


def example_path(version: ApiVersion) -> str:
    """The path of an operation that a token can be tried on: a GET without parameters where there is one."""
    operations = openapi.operations(version.document)
    plain = [o for o in operations if o.method == "get" and "{" not in o.path]
    return plain[0].path if plain else "/"


@blueprint.post("/applications/<int:application_id>/tokens/<jti>/revoke")
@requires(P.USE_APPLICATIONS)
def revoke(application_id: int, jti: str) -> Response:
    application = find_own_application(application_id, by=me())
    actions.revoke_issued(queries.find_token(application, jti), by=me())
    flash("That token is refused from now on, at every gateway within two seconds.", "ok")
    return redirect(url_for("applications.show", application_id=application_id))
