"""The plans of a version: offered, changed, and moved through their own short life."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import IntegerField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from ..accounts.models import Permission
from ..apis.models import ApiVersion
from ..apis.queries import find_version
from ..web.access import me, requires
from ..web.forms import Form, plain_text, sent_twice
from ..web.htmx import render
from . import plans
from .models import Plan

blueprint = Blueprint("plans", __name__)
P = Permission
MOST = 1_000_000_000
KINDS = {
    "encrypted": "Encrypted token",
    "signed": "Signed token",
    "key": "API key",
    "open": "No credential",
    "certificate": "Client certificate",
}
RATES = [(1, "a second"), (60, "a minute"), (3600, "an hour"), (86400, "a day")]


def _boxes(label: str) -> SelectMultipleField:
    return SelectMultipleField(label, option_widget=CheckboxInput(), widget=ListWidget())


class PlanForm(Form):
    name = StringField("Name", [Optional(), Length(max=40)])
    title = StringField("Title", [InputRequired("Give the plan a title."), Length(max=80), plain_text])
    description = TextAreaField("For whom", [Optional(), Length(max=300), plain_text])
    approval = SelectField("Approval", choices=[("manual", "By hand"), ("automatic", "At once")])
    takes = _boxes("Callers send")
    scopes = _boxes("Scopes")
    rate_requests = IntegerField("Rate limit", [Optional(), NumberRange(1, MOST, "One request or more.")])
    rate_per_s = SelectField("Per", coerce=int, choices=RATES, default=60)
    quota_requests = IntegerField("Quota", [Optional(), NumberRange(1, MOST, "One request or more.")])
    quota_period = SelectField("Per", choices=[("day", "a day (UTC)"), ("month", "a month (UTC)")], default="month")

    def offer(self, version: ApiVersion) -> None:
        self.version = version
        self.takes.choices = [(a, KINDS.get(a, a)) for a in version.accepts]
        self.scopes.choices = [(s, s) for s in version.scopes]
        rates = dict(RATES)
        if self.rate_per_s.data and self.rate_per_s.data not in rates:  # made by a file or the REST API
            self.rate_per_s.choices = [*RATES, (self.rate_per_s.data, f"{self.rate_per_s.data} seconds")]

    @property
    def terms(self) -> plans.Terms:
        """All of them chosen, or none, means whatever the version has."""
        takes, scopes = self.takes.data or [], self.scopes.data or []
        return plans.Terms(
            title=self.title.data or "",
            description=(self.description.data or "").strip(),
            approval=self.approval.data,
            takes=[] if len(takes) == len(self.version.accepts) else takes,
            scopes=[] if len(scopes) == len(self.version.scopes) else scopes,
            rate_requests=self.rate_requests.data,
            rate_per_s=self.rate_per_s.data,
            quota_requests=self.quota_requests.data,
            quota_period=self.quota_period.data,
        )


@blueprint.get("/apis/<slug>/<number>/plans")
@requires(P.READ_APIS)
def index(slug: str, number: str) -> Response:
    version = find_version(slug, number)
    context: dict[str, Any] = {
        "version": version,
        "plans": plans.plans_of(version.id),
        "subscribers": plans.subscribers_by_plan(version.id),
        "kinds": KINDS,
    }
    return render("plans/index.html", **context)


def _form(version: ApiVersion, data: Any = None, plan: Plan | None = None) -> PlanForm:
    form = PlanForm(data, obj=plan)
    form.offer(version)
    return form


def _page(version: ApiVersion, form: PlanForm, plan: Plan | None = None, status: int = 200) -> Response:
    return render("plans/plan.html", status=status, version=version, form=form, plan=plan)


@blueprint.get("/apis/<slug>/<number>/plans/new")
@requires(P.MANAGE_APIS)
def new(slug: str, number: str) -> Response:
    version = find_version(slug, number)
    return _page(version, _form(version))


@blueprint.post("/apis/<slug>/<number>/plans/new")
@requires(P.MANAGE_APIS)
def create(slug: str, number: str) -> Response:
    version = find_version(slug, number)
    form = _form(version, request.form)
    if form.validate():
        if sent_twice():
            return redirect(url_for("plans.index", slug=slug, number=number))
        form.attempt(plans.create_plan, version, form.name.data or "", form.terms, by=me())
    if form.errors:
        return _page(version, form, status=422)
    flash(f"The plan {form.title.data} is there. Publish it, and developers can choose it.", "ok")
    return redirect(url_for("plans.index", slug=slug, number=number))


@blueprint.get("/apis/<slug>/<number>/plans/<plan_name>")
@requires(P.MANAGE_APIS)
def change_form(slug: str, number: str, plan_name: str) -> Response:
    version = find_version(slug, number)
    plan = plans.find_plan(version, plan_name)
    return _page(version, _form(version, plan=plan), plan)


@blueprint.post("/apis/<slug>/<number>/plans/<plan_name>")
@requires(P.MANAGE_APIS)
def change(slug: str, number: str, plan_name: str) -> Response:
    version = find_version(slug, number)
    plan, form = plans.find_plan(version, plan_name), _form(version, request.form)
    if form.validate():
        form.attempt(plans.change_plan, plan, form.terms, by=me())
    if form.errors:
        return _page(version, form, plan, 422)
    flash(f"The plan {plan.title} is changed.", "ok")
    return redirect(url_for("plans.index", slug=slug, number=number))


@blueprint.post("/apis/<slug>/<number>/plans/<plan_name>/publish")
@requires(P.MANAGE_APIS)
def publish(slug: str, number: str, plan_name: str) -> Response:
    plan = plans.find_plan(find_version(slug, number), plan_name)
    plans.publish_plan(plan, by=me())
    flash(f"Developers can choose {plan.title} now.", "ok")
    return redirect(url_for("plans.index", slug=slug, number=number))


@blueprint.post("/apis/<slug>/<number>/plans/<plan_name>/deprecate")
@requires(P.MANAGE_APIS)
def deprecate(slug: str, number: str, plan_name: str) -> Response:
    plan = plans.find_plan(find_version(slug, number), plan_name)
    plans.deprecate_plan(plan, by=me())
    flash(f"{plan.title} takes no new subscriptions; those that it has go on.", "ok")
    return redirect(url_for("plans.index", slug=slug, number=number))


@blueprint.post("/apis/<slug>/<number>/plans/<plan_name>/close")
@requires(P.MANAGE_APIS)
def close(slug: str, number: str, plan_name: str) -> Response:
    plan = plans.find_plan(find_version(slug, number), plan_name)
    ended = plans.close_plan(plan, by=me())
    flash(f"{plan.title} is closed, and {ended} subscription{'s' if ended != 1 else ''} with it.", "ok")
    return redirect(url_for("plans.index", slug=slug, number=number))
