"""The page that answers "why was I refused?"."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import TextAreaField
from wtforms.validators import InputRequired, Length

from ..accounts.models import Permission
from ..apis.queries import names
from ..tokens.compact import LONGEST
from ..web.access import me, requires
from ..web.forms import Form
from ..web.htmx import render, secret_page
from . import explain
from .naming import named_rows
from .why import Answer, why

blueprint = Blueprint("why", __name__)
P = Permission


class WhyForm(Form):
    what = TextAreaField("Request id, token or key", [InputRequired("Paste one of them."), Length(max=4 * LONGEST)])


@blueprint.get("/logs/why")
@requires(P.SIGNED_IN)
def index() -> Response:
    """``request_id`` in the address, so that an answer can be linked to; a token or a key is never part of one."""
    request_id = request.args.get("request_id", "").strip()[:64]
    form = WhyForm(data={"what": request_id})
    return render("logs/why.html", form=form, **(_context(why(request_id, by=me())) if request_id else {"found": None}))


@blueprint.post("/logs/why")
@requires(P.SIGNED_IN)
def look() -> Response:
    form = WhyForm(request.form)
    if not form.validate():
        return render("logs/why.html", status=422, form=form, found=None)
    found = why(form.what.data or "", by=me())
    if found.kind == "id":
        return redirect(url_for("why.index", request_id=(form.what.data or "").strip()[:64]))
    return secret_page("logs/why.html", form=WhyForm(), **_context(found))


def _context(found: Answer) -> dict[str, Any]:
    rows, versions = named_rows(found.rows), names({r.version_id for r in found.rows})
    for row in rows:
        row["story"] = explain.explain(row["r"], versions.get(row["r"].version_id))
        row["url"] = _url(row)
    return {"found": found, "rows": rows}


def _url(row: dict[str, Any]) -> str:
    """Where the whole record can be read, by whoever may."""
    if me().may(P.READ_LOGS):
        return url_for("logs.show", record_id=row["r"].id)
    application = row["application"]
    if application is None or application.team_id not in me().team_ids:
        return ""
    return url_for("logs.show_of_application", application_id=application.id, record_id=row["r"].id)
