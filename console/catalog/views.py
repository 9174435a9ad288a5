"""The catalog: what a developer may use, and its reference."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import SelectField, TextAreaField
from wtforms.validators import Length, Optional

from ..accounts.models import Permission
from ..apis import openapi, queries, subscribers
from ..apis.models import ApiVersion
from ..apis.queries import VISIBLE
from ..apis.subscribers import is_following
from ..applications.actions import subscribe as ask_for_access
from ..applications.models import Application, Plan
from ..applications.plans import offered
from ..applications.queries import own_applications, own_subscriptions, subscribed_versions
from ..logs.traffic import Traffic, month_and_day
from ..web.access import ask_to_sign_in, me, requires, viewer
from ..web.forms import Form, plain_text, sent_twice
from ..web.htmx import render
from .change_log import change_log
from .documents import document_of, outline_of
from .hits import Facets, facets, hits
from .reference_views import around, find_shown, or_ask_to_sign_in
from .search import Filters, search

blueprint = Blueprint("catalog", __name__)
P = Permission


class SubscribeForm(Form):
    application = SelectField("Application", coerce=int)
    plan = SelectField("Plan")
    message = TextAreaField("What it is for", [Optional(), Length(max=500), plain_text])

    def offer(self, applications: list[Application], offered: list[Plan]) -> None:
        self.application.choices = [(a.id, a.name) for a in applications]
        self.plan.choices = [(p.name, f"{p.title}, {p.limits}" if p.limits else p.title) for p in offered]
        if not self.plan.data and offered:
            self.plan.data = offered[0].name


@blueprint.get("/catalog")
@requires(P.PUBLIC)
def index() -> Response:
    """``q``: as typed so far. ``only``: ``mine``, or a state."""
    person = viewer()
    q, only = request.args.get("q", "")[:200], request.args.get("only", "")
    tag, team = request.args.get("tag", "")[:100], request.args.get("team", 0, int)
    mine = subscribed_versions(person) if person else frozenset()
    filters = Filters(
        tag, team if 0 < team < 2**31 else 0, only if only in VISIBLE else "", mine if only == "mine" else None
    )
    found = search(q, by=person, after=request.args.get("after", ""), filters=filters)
    if person is None and not found.ids and not request.args:
        return ask_to_sign_in()  # nothing is public here
    month, strips = month_and_day({version_id for version_id, _ in found.ids})
    context: dict[str, Any] = {
        "hits": hits(found, q),
        "more": found.more,
        "asked": {"q": q, "only": only, "tag": tag, "team": filters.team or ""},
        "facets": facets() if person else Facets([], [], {}, 0),
        "month": month,
        "day": {version_id: Traffic.summed(strip) for version_id, strip in strips.items()},
        "strips": strips,
        "mine": mine,
    }
    return render("catalog/index.html", part="catalog/_cards.html", **context)


@blueprint.get("/catalog/<slug>")
@requires(P.PUBLIC)
def newest(slug: str) -> Response:
    """The newest that is published, else the newest that is shown at all."""
    number = or_ask_to_sign_in(lambda: queries.newest_shown(slug, by=viewer()))
    return redirect(url_for("catalog.show", slug=slug, number=number))


@blueprint.get("/catalog/<slug>/<number>")
@requires(P.PUBLIC)
def show(slug: str, number: str) -> Response:
    return _page(find_shown(slug, number), SubscribeForm())


def _page(version: ApiVersion, form: SubscribeForm, status: int = 200) -> Response:
    person = viewer()
    applications = own_applications(person) if person else []
    subscribed = own_subscriptions(person, version.id) if person else []
    having = {s.application_id for s in subscribed}
    available = offered(version.id)
    form.offer([a for a in applications if a.id not in having], available)
    document = document_of(version)
    info = document.get("info") or {}
    context: dict[str, Any] = {
        "version": version,
        "form": form,
        "about": str(info.get("description") or info.get("summary") or ""),
        "scopes": openapi.scopes(document),
        "applications": applications,
        "subscribed": subscribed,
        "plans": available,
        "others": [v for v in queries.other_versions(version) if v.is_serving],
        "follows": person is not None and is_following(version.api, person),
        **around(version, outline_of(version)),
    }
    return render("catalog/show.html", status=status, **context)


@blueprint.post("/catalog/<slug>/<number>/subscribe")
@requires(P.USE_APPLICATIONS)
def subscribe(slug: str, number: str) -> Response:
    version, form = find_shown(slug, number), SubscribeForm(request.form)
    mine = {a.id: a for a in own_applications(me())}
    available = {plan.name: plan for plan in offered(version.id)}
    form.offer(list(mine.values()), list(available.values()))
    if not form.validate():
        return _page(version, form, 422)
    if sent_twice():
        return redirect(url_for("catalog.show", slug=slug, number=number))
    application, plan = mine[form.application.data], available.get(form.plan.data or "")
    message = (form.message.data or "").strip()
    made = form.attempt(ask_for_access, application, version, message, by=me(), plan=plan)
    if made is None:
        return _page(version, form, 422)
    flash(
        f"{application.name} may call {version.name} now."
        if made.is_active
        else f"Access to {version.name} is asked for. An admin decides; you see it here.",
        "ok",
    )
    return redirect(url_for("applications.show", application_id=application.id))


@blueprint.get("/catalog/<slug>/<number>/changes")
@requires(P.PUBLIC)
def changes(slug: str, number: str) -> Response:
    """What each revision changed, newest first."""
    version = find_shown(slug, number)
    found, more = change_log(version, before=request.args.get("before", 0, int))
    context = around(version, outline_of(version)) | {"log": found, "more": more}
    return render("catalog/changes.html", **context)


@blueprint.post("/catalog/<slug>/<number>/follow")
@requires(P.USE_APPLICATIONS)
def follow(slug: str, number: str) -> Response:
    version = find_shown(slug, number)
    if request.form.get("follow") == "1":
        subscribers.follow(version.api, by=me())
        flash(f"You are told by mail when {version.api.name} changes.", "ok")
    else:
        subscribers.unfollow(version.api, by=me())
        flash(f"You do not follow {version.api.name} any more.", "ok")
    return redirect(url_for("catalog.show", slug=slug, number=number))
