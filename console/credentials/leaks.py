"""Was this key ours? Paste a suspected one: its owner, its last use, what it opens; replace or revoke it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response
from wtforms import TextAreaField
from wtforms.validators import InputRequired, Length

from ..accounts.models import Permission
from ..web.access import me, requires
from ..web.forms import Form
from ..web.htmx import render, secret_page
from .leaked import blast_radius, find_suspect

blueprint = Blueprint("leaks", __name__)
P = Permission


class LeakForm(Form):
    credential = TextAreaField("Suspected key or secret", [InputRequired("Paste it here."), Length(max=500)])


@blueprint.get("/leaks")
@requires(P.READ_APPLICATIONS)
def index() -> Response:
    return render("credentials/leaks.html", form=LeakForm(), suspect=None)


@blueprint.post("/leaks")
@requires(P.READ_APPLICATIONS)
def look() -> Response:
    """What was pasted is not stored, and not shown again."""
    form = LeakForm(request.form)
    if not form.validate():
        return render("credentials/leaks.html", status=422, form=form, suspect=None)
    suspect = find_suspect(form.credential.data or "", by=me())
    row = suspect.row
    context: dict[str, Any] = {
        "form": LeakForm(),
        "suspect": suspect,
        "radius": blast_radius(row) if row else None,
        "mine": bool(row and (row.application.team_id in me().team_ids or me().may(P.DECIDE_SUBSCRIPTIONS))),
    }
    return secret_page("credentials/leaks.html", **context)
