"""The catalog: what a developer may use, and its reference."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import SelectField, TextAreaField
from wtforms.validators import Length, Optional

from ..accounts.models import Permission
from ..apis import openapi, queries
from ..apis.models import ApiVersion
from ..apis.queries import VISIBLE
from ..applications.actions import subscribe as ask_for_access
from ..applications.models import Application
from ..applications.queries import own_applications, subscribed_versions
from ..logs.traffic import month_and_day
from ..web.access import me, requires
from ..web.forms import Form, plain_text, sent_twice
from ..web.htmx import render
from .documents import document_of, outline_of
from .hits import facets, hits
from .reference_views import around
from .search import Filters, search

blueprint = Blueprint("catalog", __name__)
P = Permission


class SubscribeForm(Form):
    application = SelectField("Application", coerce=int)
    message = TextAreaField("What it is for", [Optional(), Length(max=500), plain_text])


@blueprint.get("/catalog")
@requires(P.READ_CATALOG)
def index() -> Response:
    """``q``: as typed so far. ``only``: ``mine``, or a state."""
    q, only = request.args.get("q", "")[:200], request.args.get("only", "")
    tag, team = request.args.get("tag", "")[:100], request.args.get("team", 0, int)
    mine = subscribed_versions(me())
    filters = Filters(
        tag, team if 0 < team < 2**31 else 0, only if only in VISIBLE else "", mine if only == "mine" else None
    )
    found = search(q, by=me(), after=request.args.get("after", ""), filters=filters)
    month, strips = month_and_day({version_id for version_id, _ in found.ids})
    context: dict[str, Any] = {
        "hits": hits(found, q),
        "more": found.more,
        "asked": {"q": q, "only": only, "tag": tag, "team": filters.team or ""},
        "facets": facets(),
        "month": month,
        "strips": strips,
        "mine": mine,
    }
    return render("catalog/index.html", part="catalog/_cards.html", **context)


@blueprint.get("/catalog/<slug>")
@requires(P.READ_CATALOG)
def newest(slug: str) -> Response:
    version = queries.newest_version(slug)
    return redirect(url_for("catalog.show", slug=slug, number=version.version))


@blueprint.get("/catalog/<slug>/<number>")
@requires(P.READ_CATALOG)
def show(slug: str, number: str) -> Response:
    version = queries.find_in_catalog(slug, number, by=me())
    return _page(version, SubscribeForm())


def _page(version: ApiVersion, form: SubscribeForm, status: int = 200) -> Response:
    applications = own_applications(me())
    subscribed = {
        s.application_id: s
        for a in applications
        for s in a.subscriptions
        if s.version_id == version.id and s.state in ("active", "pending")
    }
    form.application.choices = [(a.id, a.name) for a in applications if a.id not in subscribed]
    document = document_of(version)
    info = document.get("info") or {}
    context: dict[str, Any] = {
        "version": version,
        "form": form,
        "about": str(info.get("description") or info.get("summary") or ""),
        "scopes": openapi.scopes(document),
        "applications": applications,
        "subscribed": list(subscribed.values()),
        "others": [v for v in queries.other_versions(version) if v.is_serving],
        **around(version, outline_of(version)),
    }
    return render("catalog/show.html", status=status, **context)


@blueprint.post("/catalog/<slug>/<number>/subscribe")
@requires(P.USE_APPLICATIONS)
def subscribe(slug: str, number: str) -> Response:
    version, form = queries.find_in_catalog(slug, number, by=me()), SubscribeForm(request.form)
    mine = {a.id: a for a in own_applications(me())}
    form.application.choices = [(a.id, a.name) for a in mine.values()]
    if not form.validate():
        return _page(version, form, 422)
    if sent_twice():
        return redirect(url_for("catalog.show", slug=slug, number=number))
    application: Application = mine[form.application.data]
    message = (form.message.data or "").strip()
    if form.attempt(ask_for_access, application, version, message, by=me()) is None:
        return _page(version, form, 422)
    flash(f"Access to {version.name} is asked for. An admin decides; you see it here.", "ok")
    return redirect(url_for("applications.show", application_id=application.id))
