"""The end of a version: deprecate it, take that back, retire it, and write to those who still call."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..applications.queries import subscribers
from ..errors import Refused
from ..logs.traffic import Traffic, traffic
from ..logs.usage import callers
from ..web.access import me, requires
from ..web.forms import sent_twice
from ..web.htmx import render
from . import queries, sunset
from .forms import DeprecateForm, RetireForm, WriteForm
from .lifecycle import to_version
from .models import ApiVersion
from .subscribers import callers_of

blueprint = Blueprint("sunsets", __name__)
P = Permission


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
    return to_version(version)


@blueprint.get("/apis/<slug>/<number>/retire")
@requires(P.MANAGE_APIS)
def retire_form(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    return _retire_page(version, RetireForm())


def _retire_page(version: ApiVersion, form: RetireForm, status: int = 200) -> Response:
    context = _callers(version) | {"recent": sunset.recent_calls(version), "quiet_days": sunset.QUIET_DAYS}
    return render("apis/retire.html", status=status, version=version, form=form, **context)


@blueprint.post("/apis/<slug>/<number>/retire")
@requires(P.MANAGE_APIS)
def retire(slug: str, number: str) -> Response:
    version, form = queries.find_version(slug, number), RetireForm(request.form)
    if form.validate() and form.name.data != version.name:
        form.refuse(Refused(f"Type {version.name} to confirm; it cannot be undone.", "name"))
    if not form.errors:
        form.attempt(sunset.retire_version, version, by=me(), reason=(form.reason.data or "").strip())
    if form.errors:
        return _retire_page(version, form, 422)
    flash(f"{version.name} is retired. Callers get 410 from now on.", "ok")
    return to_version(version)


@blueprint.post("/apis/<slug>/<number>/undeprecate")
@requires(P.MANAGE_APIS)
def undeprecate(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    sunset.undeprecate_version(version, request.form.get("reason", ""), by=me())
    flash(f"{version.name} stays. Its subscribers are told.", "ok")
    return to_version(version)


@blueprint.get("/apis/<slug>/<number>/write")
@requires(P.MANAGE_APIS)
def write_form(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    form = WriteForm(
        subject=f"{version.name} ends on {version.sunset_at:%d %B %Y}" if version.sunset_at else version.name
    )
    return _write_page(version, form)


def _write_page(version: ApiVersion, form: WriteForm, status: int = 200) -> Response:
    """To those who called in the last 30 days first, and these are chosen."""
    called = {caller.client_id: caller for caller in callers(version.id).biggest}
    applications = sorted(callers_of(version), key=lambda a: (a.client_id not in called, a.name))
    context: dict[str, Any] = {
        "applications": applications,
        "called": called,
        "chosen": set(request.form.getlist("applications", int)),
    }
    return render("apis/write.html", status=status, version=version, form=form, **context)


@blueprint.post("/apis/<slug>/<number>/write")
@requires(P.MANAGE_APIS)
def write(slug: str, number: str) -> Response:
    version, form = queries.find_version(slug, number), WriteForm(request.form)
    told: int | None = 0
    if form.validate():
        if sent_twice():
            return to_version(version)
        subject, text = form.subject.data or "", form.text.data or ""
        chosen = request.form.getlist("applications", int)
        told = form.attempt(sunset.write_to_callers, version, subject, text, chosen, by=me())
    if form.errors:
        return _write_page(version, form, 422)
    flash(f"Mail goes to {told} {'person' if told == 1 else 'people'}.", "ok")
    return redirect(url_for("apis.show", slug=slug, number=number))
