"""The inspector: paste a token, see what is in it and why it would be taken or refused. Nothing of it is kept."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, request
from werkzeug.wrappers import Response
from wtforms import SelectField, TextAreaField
from wtforms.validators import InputRequired, Length

from ..accounts.models import Permission
from ..apis import openapi
from ..applications.queries import by_client_ids
from ..web.access import me, requires
from ..web.forms import Form
from ..web.htmx import render, secret_page
from .compact import LONGEST
from .inspect import Inspection, inspect

blueprint = Blueprint("inspector", __name__)
P = Permission


class InspectForm(Form):
    token = TextAreaField("Token", [InputRequired("Paste a token."), Length(max=4 * LONGEST)])
    operation = SelectField("As if calling", validate_choice=False)


@blueprint.get("/tokens")
@requires(P.SIGNED_IN)
def index() -> Response:
    return render("tokens/inspect.html", form=InspectForm(), found=None)


@blueprint.post("/tokens/inspect")
@requires(P.SIGNED_IN)
def look() -> Response:
    form = InspectForm(request.form)
    if not form.validate():
        return render("tokens/inspect.html", status=422, form=form, found=None)
    operation = form.operation.data or ""
    return secret_page(
        "tokens/inspect.html", form=form, **_context(form, inspect(form.token.data or "", _may_read, operation))
    )


def _may_read(claims: dict[str, Any]) -> bool:
    """Encrypted claims: the team of the application that the token is for, and whoever reads the logs."""
    if me().may(P.READ_LOGS):
        return True
    client_id = str(claims.get("client_id", ""))
    owner = by_client_ids({client_id}).get(client_id)
    return owner is not None and owner.team_id in me().team_ids


def _context(form: InspectForm, found: Inspection) -> dict[str, Any]:
    operations = openapi.operations(found.version.document) if found.version else []
    form.operation.choices = [("", "any call"), *((f"{o.method.upper()} {o.path}",) * 2 for o in operations[:300])]
    return {"found": found, "header": _pretty(found.inner or found.outer), "claims": _pretty(found.claims)}


def _pretty(value: dict[str, Any]) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() if value else ""
