"""Publishing, deprecating, retiring, discarding: each a page or a button, each one action."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..applications.queries import subscribers
from ..db import release
from ..errors import Refused
from ..logs.traffic import Traffic, traffic
from ..web.access import me, requires
from ..web.htmx import render
from . import actions, queries, sunset
from .backends import check_backend, unreachable
from .forms import ChoicesForm, DeprecateForm, RetireForm
from .models import ApiVersion, State
from .views import overview, settings_page

blueprint = Blueprint("lifecycle", __name__)
P = Permission


def _to(version: ApiVersion) -> Response:
    return redirect(url_for("apis.show", slug=version.api.slug, number=version.version))


@blueprint.post("/apis/<slug>/<number>/save")
@requires(P.MANAGE_APIS)
def save(slug: str, number: str) -> Response:
    version, form = queries.find_version(slug, number), ChoicesForm(request.form)
    if form.validate():
        form.attempt(actions.save_draft, version, form.choices, edits=form.edits.data, by=me())
    if form.errors:
        return overview(version, form, 422)
    flash("The draft is saved. Nobody can call it yet.", "ok")
    return _to(version)


@blueprint.post("/apis/<slug>/<number>/publish")
@requires(P.MANAGE_APIS)
def publish(slug: str, number: str) -> Response:
    form = ChoicesForm(request.form)
    release()  # the backend is asked first, and it may take its time
    if form.validate():
        _ask_backend(form)
    version = queries.find_version(slug, number)
    if not form.errors:
        form.attempt(actions.publish_version, version, form.choices, edits=form.edits.data, by=me())
    if form.errors:
        return _form_again(version, form)
    flash(f"{version.name} is published. The nodes are taking it.", "ok")
    return _to(version)


def _ask_backend(form: ChoicesForm) -> None:
    url = form.attempt(check_backend, form.backend_url.data or "")
    problem = unreachable(url) if url and not form.anyway.data else None
    if problem:
        form.refuse(Refused(f"{problem} Start it, correct the address, or publish anyway.", "backend_url"))
        form.anyway.errors = ["offered"]


def _form_again(version: ApiVersion, form: ChoicesForm) -> Response:
    if version.state == State.DRAFT:
        return overview(version, form, 422)
    return settings_page(version, form, 422)


@blueprint.get("/apis/<slug>/<number>/deprecate")
@requires(P.MANAGE_APIS)
def deprecate_form(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    form = DeprecateForm(
        sunset=version.sunset_at.date() if version.sunset_at else None,
        successor=version.successor_id or 0,
        note=version.deprecation_note,
    )
    return _deprecate_page(version, form)


def _deprecate_page(version: ApiVersion, form: DeprecateForm, status: int = 200) -> Response:
    form.offer([v for v in queries.other_versions(version) if v.is_serving])
    return render("apis/deprecate.html", status=status, version=version, form=form, **_callers(version))


def _callers(version: ApiVersion) -> dict[str, Any]:
    month = traffic(30 * 24, {version.id}).get(version.id, Traffic())
    day = traffic(24, {version.id}).get(version.id, Traffic())
    active = [s for s in subscribers(version.id) if s.is_active]
    return {"month": month, "day_calls": day, "subscriptions": active}


@blueprint.post("/apis/<slug>/<number>/deprecate")
@requires(P.MANAGE_APIS)
def deprecate(slug: str, number: str) -> Response:
    version, form = queries.find_version(slug, number), DeprecateForm(request.form)
    others = [v for v in queries.other_versions(version) if v.is_serving]
    form.offer(others)
    if form.validate():
        successor = next((v for v in others if v.id == form.successor.data), None)
        note = (form.note.data or "").strip()
        form.attempt(
            sunset.deprecate_version, version, sunset_at=form.sunset_at, successor=successor, note=note, by=me()
        )
    if form.errors:
        return _deprecate_page(version, form, 422)
    flash(f"{version.name} is deprecated. Every answer says so from now on.", "ok")
    return _to(version)


@blueprint.get("/apis/<slug>/<number>/retire")
@requires(P.MANAGE_APIS)
def retire_form(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    return render("apis/retire.html", version=version, form=RetireForm(), **_callers(version))


@blueprint.post("/apis/<slug>/<number>/retire")
@requires(P.MANAGE_APIS)
def retire(slug: str, number: str) -> Response:
    version, form = queries.find_version(slug, number), RetireForm(request.form)
    if form.validate() and form.name.data != version.name:
        form.refuse(Refused(f"Type {version.name} to confirm; it cannot be undone.", "name"))
    if not form.errors:
        form.attempt(sunset.retire_version, version, by=me())
    if form.errors:
        return render("apis/retire.html", status=422, version=version, form=form, **_callers(version))
    flash(f"{version.name} is retired. Callers get 410 from now on.", "ok")
    return _to(version)


@blueprint.post("/apis/<slug>/<number>/discard")
@requires(P.MANAGE_APIS)
def discard(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    name = version.name
    actions.discard_draft(version, by=me())
    flash(f"The draft {name} is gone.", "ok")
    return redirect(url_for("apis.index"))
