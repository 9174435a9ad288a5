"""Applications: those of one's teams for developers, all of them for admins and auditors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import SelectField, StringField
from wtforms.validators import InputRequired, Length, Optional

from ..accounts.models import Permission
from ..accounts.queries import teams_of
from ..credentials.certificates import certificates_of
from ..credentials.client_keys import client_keys
from ..credentials.queries import keys_of, secrets_of
from ..credentials.rotation import LONGEST_TOKEN_S
from ..db import now
from ..logs import search
from ..logs.calls import last_used
from ..logs.question import Question
from ..runtime import runtime
from ..tokens.queries import live_tokens
from ..web.access import me, requires
from ..web.forms import Form, plain_text, sent_twice
from ..web.htmx import render
from . import actions, queries

blueprint = Blueprint("applications", __name__)
LONGEST_LIFE = timedelta(seconds=LONGEST_TOKEN_S)
P = Permission


class ApplicationForm(Form):
    name = StringField("Name", [InputRequired("Name the application."), Length(max=80), plain_text])
    description = StringField("What it does", [Optional(), Length(max=300), plain_text])
    team = SelectField("Team", coerce=int)


@blueprint.get("/applications")
@requires(P.READ_APPLICATIONS)
def index() -> Response:
    return _index()


def _index() -> Response:
    q = request.args.get("q", "")
    found = queries.applications(me(), after=request.args.get("after", 0, int), search=q)
    page = found[: queries.PAGE]
    more = page[-1].id if len(found) > len(page) else None
    subscribed = queries.subscribed_by([a.id for a in page])
    return render("applications/index.html", applications=page, subscribed=subscribed, more=more, q=q)


@blueprint.get("/applications/new")
@requires(P.USE_APPLICATIONS)
def new() -> Response:
    return render("applications/new.html", form=_form())


def _form(data: Any = None) -> ApplicationForm:
    form = ApplicationForm(data)
    form.team.choices = [(team.id, team.name) for team in teams_of(me())]
    return form


@blueprint.post("/applications/new")
@requires(P.USE_APPLICATIONS)
def create() -> Response:
    form = _form(request.form)
    if not form.validate():
        return render("applications/new.html", status=422, form=form)
    if sent_twice():
        return redirect(url_for("applications.index"))
    team = next(team for team in teams_of(me()) if team.id == form.team.data)
    application = form.attempt(actions.create_application, form.name.data, form.description.data or "", team, by=me())
    if application is None:
        return render("applications/new.html", status=422, form=form)
    flash(f"{application.name} is there. Subscribe it to an API next.", "ok")
    return redirect(url_for("applications.show", application_id=application.id))


@blueprint.get("/applications/<int:application_id>")
@requires(P.READ_APPLICATIONS)
def show(application_id: int) -> Response:
    application = queries.find_application(application_id, by=me())
    mine = application.team_id in me().team_ids or me().may(P.DECIDE_SUBSCRIPTIONS)
    question = Question(client_ids=frozenset({application.client_id}))
    tokens = live_tokens(application, 10)
    context: dict[str, Any] = {
        "application": application,
        "mine": mine and me().may(P.USE_APPLICATIONS),
        "secrets": secrets_of(application),
        "keys": keys_of(application),
        "client_keys": client_keys(application),
        "certificates": certificates_of(application),
        "tokens": tokens,
        "used": last_used(application.client_id, [t.jti for t in tokens], now() - LONGEST_LIFE) if tokens else {},
        "issuer": runtime().config.public_url,
        "recent": search.newest(question, size=5),
    }
    return render("applications/show.html", **context)


@blueprint.post("/subscriptions/<int:subscription_id>/close")
@requires(P.USE_APPLICATIONS)
def close(subscription_id: int) -> Response:
    """By the consumer's team, or by an admin."""
    subscription = queries.find_subscription(subscription_id, by=me())
    application = queries.find_own_application(subscription.application_id, by=me())
    actions.close_subscription(subscription, by=me())
    flash(f"The subscription to {subscription.version.name} has ended. Its tokens are refused from now on.", "ok")
    return redirect(url_for("applications.show", application_id=application.id))
