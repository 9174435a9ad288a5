"""Saving, publishing, discarding: what is worked on, shown before it is served."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..applications.plans import plans_of
from ..applications.queries import by_client_ids
from ..db import release
from ..errors import Refused
from ..gateway.queries import nodes
from ..web.access import me, requires
from ..web.htmx import render
from . import actions, queries
from .backends import check_backend, unreachable
from .forms import ChoicesForm, PublishForm
from .gate import obstacle
from .models import ApiVersion
from .proposal import propose
from .reviews import standing
from .subscribers import callers_of, followers
from .views import overview, settings_page
from .working import working

blueprint = Blueprint("lifecycle", __name__)
P = Permission


def to_version(version: ApiVersion, page: str = "apis.show") -> Response:
    return redirect(url_for(page, slug=version.api.slug, number=version.version))


@blueprint.post("/apis/<slug>/<number>/save")
@requires(P.MANAGE_APIS)
def save(slug: str, number: str) -> Response:
    """The choices; with ``then=publish``, on to the page that shows what publishing would change."""
    form = ChoicesForm(request.form)
    on = request.form.get("then") == "publish"
    release()  # the backend is asked first, and it may take its time
    if form.validate() and on:
        _ask_backend(form)
    version = queries.find_version(slug, number)
    if not form.errors:
        form.attempt(actions.save_draft, version, form.choices, edits=form.edits.data, by=me())
    if form.errors:
        return _form_again(version, form)
    if on:
        return to_version(version, "lifecycle.publish_form")
    flash(
        "The draft is saved. Nobody can call it yet."
        if version.is_unpublished
        else "Saved for the next revision. What is served stays as it is.",
        "ok",
    )
    return to_version(version)


@blueprint.get("/apis/<slug>/<number>/publish")
@requires(P.READ_APIS)
def publish_form(slug: str, number: str) -> Response:
    return _publish_page(queries.find_version(slug, number), PublishForm())


def _publish_page(version: ApiVersion, form: PublishForm, status: int = 200) -> Response:
    work = working(version)
    proposal, reviewed = propose(version, work), standing(version, work.fingerprint)
    context: dict[str, Any] = {
        "version": version,
        "form": form,
        "work": work,
        "proposal": proposal,
        "obstacle": obstacle(version, proposal, reviewed),
        "approval": reviewed.approved,
        "review": reviewed.open,
        "callers": callers_of(version),
        "known": by_client_ids({one.client_id for one in proposal.broken.biggest[:8]} - {""}),
        "followers": followers(version.api),
        "nodes": nodes(),
        "plans": [] if version.revision else plans_of(version.id),
    }
    return render("apis/publish.html", status=status, **context)


@blueprint.post("/apis/<slug>/<number>/publish")
@requires(P.MANAGE_APIS)
def publish(slug: str, number: str) -> Response:
    """What was saved; or, where the choices are sent along, these."""
    if "backend_url" in request.form:
        return _publish_chosen(slug, number)
    version, form = queries.find_version(slug, number), PublishForm(request.form)
    if form.validate():
        note = (form.note.data or "").strip()
        form.attempt(actions.publish_version, version, edits=form.edits.data, by=me(), note=note)
    if form.errors:
        return _publish_page(queries.find_version(slug, number), form, 422)
    return _published(version)


def _publish_chosen(slug: str, number: str) -> Response:
    form = ChoicesForm(request.form)
    release()
    if form.validate():
        _ask_backend(form)
    version = queries.find_version(slug, number)
    if not form.errors:
        form.attempt(actions.publish_version, version, form.choices, edits=form.edits.data, by=me())
    return _form_again(version, form) if form.errors else _published(version)


def _published(version: ApiVersion) -> Response:
    flash(f"{version.name} is published. The nodes are taking it.", "ok")
    return to_version(version)


def _ask_backend(form: ChoicesForm) -> None:
    url = form.attempt(check_backend, form.backend_url.data or "")
    problem = unreachable(url) if url and not form.anyway.data else None
    if problem:
        form.refuse(Refused(f"{problem} Start it, correct the address, or go on anyway.", "backend_url"))
        form.anyway.errors = ["offered"]


def _form_again(version: ApiVersion, form: ChoicesForm) -> Response:
    if version.is_unpublished:
        return overview(version, form, 422)
    return settings_page(version, form, 422)


@blueprint.post("/apis/<slug>/<number>/discard-changes")
@requires(P.MANAGE_APIS)
def discard_changes(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    actions.discard_changes(version, edits=request.form.get("edits", 0, int), by=me())
    flash(f"What was changed since revision {version.revision} is gone.", "ok")
    return to_version(version)


@blueprint.post("/apis/<slug>/<number>/discard")
@requires(P.MANAGE_APIS)
def discard(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    name = version.name
    actions.discard_draft(version, by=me())
    flash(f"The draft {name} is gone.", "ok")
    return redirect(url_for("apis.index"))
