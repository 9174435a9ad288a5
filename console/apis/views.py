"""APIs for those who publish: the list, the import, one version."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..accounts.queries import teams_of
from ..applications.queries import subscribers
from ..catalog.documents import document_of, outline_of
from ..db import release
from ..errors import Refused
from ..gateway.queries import nodes
from ..logs.traffic import Traffic, health, traffic
from ..runtime import runtime
from ..web.access import me, requires
from ..web.filters import plural
from ..web.forms import sent_twice
from ..web.htmx import render
from . import actions, design, queries
from .fetch import fetch_document
from .forms import ACCEPTS, ChoicesForm, ImportForm, LogDaysForm
from .models import Api, ApiVersion, State
from .openapi import Unacceptable, parse
from .outlook import breaking_ahead, calls_until_the_end

blueprint = Blueprint("apis", __name__)
P = Permission


@blueprint.get("/apis")
@requires(P.READ_APIS)
def index() -> Response:
    q, state = request.args.get("q", ""), request.args.get("state", "")
    found = queries.apis(after=request.args.get("after", ""), search=q, state=state)
    page = found[: queries.PAGE]
    more = page[-1].slug if len(found) > len(page) else None
    calls = traffic(24, {v.id for api in page for v in api.versions})
    context: dict[str, Any] = {
        "apis": page,
        "more": more,
        "q": q,
        "state": state,
        "traffic": calls,
        "states": list(State),
    }
    return render("apis/index.html", part="apis/_rows.html", **context)


@blueprint.get("/apis/new")
@requires(P.MANAGE_APIS)
def new() -> Response:
    form = ImportForm(url=sample_url())
    form.offer(teams_of(me()))
    return render("apis/new.html", form=form, problems=[])


def sample_url() -> str:
    """The sample's document, when `up` runs it beside the console."""
    config = runtime().config
    address = f"127.0.0.1:{config.sample_port}"
    return f"http://{address}/openapi.yaml" if config.sample_port and address in config.fetch_allow else ""


@blueprint.post("/apis/new")
@requires(P.MANAGE_APIS)
def create() -> Response:
    form = ImportForm(request.form)
    form.offer(teams_of(me()))
    problems: list[str] = []
    version = None
    if form.validate():
        version = _import(form, problems)
    if version is None:
        return render("apis/new.html", status=422, form=form, problems=problems)
    if sent_twice():
        release()  # what it did is not done again
        return redirect(url_for("apis.index"))
    page = "editor.edit" if form.source.data == "blank" else "apis.show"
    return redirect(url_for(page, slug=version.api.slug, number=version.version))


def _import(form: ImportForm, problems: list[str]) -> ApiVersion | None:
    owner_id, by_id = form.team.data, me().id
    release()  # a fetch takes a while; nobody should wait for the database meanwhile
    text = form.attempt(_text, form)
    document = {} if not text else form.attempt(_checked, text, problems)
    if text is None or document is None:
        return None
    team = next((t for t in teams_of(me()) if t.id == owner_id), None)
    if team is None or me().id != by_id:
        form.form_errors.append("Choose a team of yours.")
        return None
    if form.source.data == "blank":
        start = (form.title.data or "", form.number.data or "", form.path.data or "")
        return form.attempt(design.start_document, *start, team, by=me())
    return form.attempt(actions.import_document, text, team, by=me(), document=document)


def _checked(text: str, problems: list[str]) -> dict[str, Any]:
    """Before the database is asked: a large document takes seconds, and nobody should wait for the lock meanwhile."""
    try:
        return parse(text)
    except Unacceptable as unacceptable:
        problems.extend(unacceptable.problems)
        raise


def _text(form: ImportForm) -> str:
    if form.source.data == "url":
        return fetch_document(form.url.data or "")
    if form.source.data == "paste":
        return str(form.document.data)
    if form.source.data == "blank":
        return ""
    upload = request.files.get("file")
    if upload is None or not upload.filename:
        raise Refused("Choose a file.", "file")
    try:
        return str(upload.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Refused("The file is not UTF-8 text. Save it as JSON or YAML.", "file") from None


@blueprint.get("/apis/<slug>")
@requires(P.READ_APIS)
def newest(slug: str) -> Response:
    version = queries.newest_version(slug)
    return redirect(url_for("apis.show", slug=slug, number=version.version))


@blueprint.get("/apis/<slug>/<number>")
@requires(P.READ_APIS)
def show(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    return overview(version, ChoicesForm.of(version))


def overview(
    version: ApiVersion, form: ChoicesForm, status: int = 200, log_days: LogDaysForm | None = None
) -> Response:
    """The page of one version; of a draft, with the form that publishes it."""
    strip = health(48, {version.id})[version.id] if version.state != State.DRAFT else []
    context: dict[str, Any] = {
        "version": version,
        "form": form,
        "accepts": ACCEPTS,
        "others": queries.other_versions(version),
        "nodes": nodes(),
        "hours": strip,
        "traffic": traffic(24, {version.id}).get(version.id, Traffic()),
        "subscriptions": subscribers(version.id, 8),
        "breaking": breaking_ahead(version),
        "stack": calls_until_the_end(version),
        **log_retention(version, log_days),
    }
    return render("apis/show.html", status=status, **context)


@blueprint.get("/apis/<slug>/<number>/nodes")
@requires(P.READ_APIS)
def convergence(slug: str, number: str) -> Response:
    """Which nodes have taken the newest revision; the page asks again until all have."""
    return render("apis/_nodes.html", version=queries.find_version(slug, number), nodes=nodes())


@blueprint.get("/apis/<slug>/<number>/document")
@requires(P.READ_APIS)
def document(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    info = document_of(version).get("info") or {}
    return render("apis/document.html", version=version, outline=outline_of(version), info=info)


@blueprint.get("/apis/<slug>/<number>/source")
@requires(P.READ_APIS)
def source(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    kind = "json" if version.source.lstrip().startswith("{") else "yaml"
    response = Response(version.source, mimetype="text/plain")
    response.headers["Content-Disposition"] = f'attachment; filename="{slug}-{version.version}.{kind}"'
    return response


@blueprint.get("/apis/<slug>/<number>/settings")
@requires(P.MANAGE_APIS)
def settings(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    if version.state in (State.DRAFT, State.RETIRED):
        flash(
            "A retired version has no settings to change." if version.state == State.RETIRED else "Publish it here.",
            "info",
        )
        return redirect(url_for("apis.show", slug=slug, number=number))
    return settings_page(version, ChoicesForm.of(version))


def settings_page(
    version: ApiVersion, form: ChoicesForm, status: int = 200, log_days: LogDaysForm | None = None
) -> Response:
    context = log_retention(version, log_days)
    return render("apis/settings.html", status=status, version=version, form=form, accepts=ACCEPTS, **context)


def log_retention(version: ApiVersion, form: LogDaysForm | None) -> dict[str, Any]:
    """The form for how long records are kept, and what goes for an API that does not say so."""
    form = form or LogDaysForm(days=version.api.log_days)
    return {"log_days": form, "kept_days": runtime().config.logs_days}


@blueprint.post("/apis/<slug>/<number>/log-days")
@requires(P.MANAGE_APIS)
def change_log_days(slug: str, number: str) -> Response:
    version, form = queries.find_version(slug, number), LogDaysForm(request.form)
    if form.validate():
        form.attempt(actions.change_log_days, version.api, form.days.data, by=me())
    if form.errors:
        page = settings_page if version.is_serving else overview
        return page(version, ChoicesForm.of(version), 422, form)
    flash(f"Request records of {version.api.name} are kept for {kept_for(version.api)}.", "ok")
    return redirect(url_for("apis.settings" if version.is_serving else "apis.show", slug=slug, number=number))


def kept_for(api: Api) -> str:
    days = api.log_days or runtime().config.logs_days
    return plural(days, "day") if days else "as long as there is room"
