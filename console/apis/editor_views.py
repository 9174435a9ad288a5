"""The text of a draft's document, edited in the page and checked as you type."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, flash, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ..accounts.models import Permission
from ..db import release
from ..web.access import me, requires
from ..web.htmx import render
from . import checking, design, openapi, queries
from .design_forms import DesignForm
from .models import ApiVersion
from .reviews import check_editable
from .working import working

blueprint = Blueprint("editor", __name__, url_prefix="/apis/<slug>/<number>")
P = Permission


def find_draft(slug: str, number: str) -> ApiVersion:
    version = queries.find_version(slug, number)
    check_editable(version)
    return version


@blueprint.get("/edit")
@requires(P.MANAGE_APIS)
def edit(slug: str, number: str) -> Response:
    version = find_draft(slug, number)
    return text_page(version, working(version).source, version.edits)


def text_page(
    version: ApiVersion, text: str, edits: int, problems: list[checking.Problem] | None = None, status: int = 200
) -> Response:
    """``problems`` is None when nobody asked for them."""
    return render(
        "apis/edit.html", status=status, version=version, text=text, edits=edits, problems=problems,
        entries=checking.entries_of(working(version).document), kind="json" if text.lstrip()[:1] == "{" else "yaml",
    )  # fmt: skip


@blueprint.post("/check")
@requires(P.MANAGE_APIS)
def check(slug: str, number: str) -> AnyResponse:
    """What is wrong with the text, and what is in it: as JSON while somebody types, as a page for a button."""
    version = find_draft(slug, number)
    text, edits = _sent_text(version), _sent_edits()
    release()  # nothing is written, and a large document takes a second
    problems = checking.check(text)
    if request.accept_mimetypes.best == "application/json":
        entries = checking.outline(text)
        return jsonify(problems=list(map(asdict, problems)), outline=entries and list(map(asdict, entries)))
    if not problems:
        flash("The document is good. It is not saved yet.", "ok")
    return text_page(find_draft(slug, number), text, edits, problems)


@blueprint.post("/edit")
@requires(P.MANAGE_APIS)
def save(slug: str, number: str) -> AnyResponse:
    version = find_draft(slug, number)
    text, edits, form = _sent_text(version), _sent_edits(), DesignForm(request.form)
    release()
    document = form.attempt(openapi.parse, text)
    if document is not None:
        form.attempt(design.save_document, find_draft(slug, number), text, edits=edits, by=me(), document=document)
    if form.errors:
        said = [] if document is None else [checking.Problem(1, 1, "error", m, "refused") for m in form.trouble]
        return text_page(find_draft(slug, number), text, edits, said or checking.check(text), 422)
    flash("The document is saved. It is not served before it is published.", "ok")
    return redirect(url_for("editor.edit", slug=slug, number=number))


def _sent_text(version: ApiVersion) -> str:
    """As it was written: a browser sends every line end as two characters."""
    text = request.form.get("text", "").replace("\r\n", "\n")
    return text.replace("\n", "\r\n") if "\r\n" in working(version).source else text


def _sent_edits() -> int:
    return request.form.get("edits", 0, type=int)
