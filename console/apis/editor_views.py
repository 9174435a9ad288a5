"""The text of a draft's document, edited in the page and checked as you type."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, flash, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ..accounts.models import Permission
from ..db import release
from ..web.access import me, requires
from ..web.htmx import render
from . import design, openapi, queries
from .check import Problem
from .check import check as check_text
from .design_forms import DesignForm
from .lint_queries import excerpt
from .models import ApiVersion
from .outline import Entry
from .reviews import check_editable
from .spelling import schemas_of
from .working import working

blueprint = Blueprint("editor", __name__, url_prefix="/apis/<slug>/<number>")
P = Permission
MOST_LISTED = 2000  # operations beside a form


def find_draft(slug: str, number: str) -> ApiVersion:
    version = queries.find_version(slug, number)
    check_editable(version)
    return version


@blueprint.get("/edit")
@requires(P.MANAGE_APIS)
def edit(slug: str, number: str) -> Response:
    version, line = find_draft(slug, number), request.args.get("line", 0, type=int)
    text = working(version).source
    return text_page(version, text, version.edits, line=line)


def text_page(
    version: ApiVersion, text: str, edits: int, problems: list[Problem] | None = None, status: int = 200, line: int = 0
) -> Response:
    """``problems`` is None when nobody asked for them. ``line``: where to begin."""
    return render(
        "apis/edit.html", status=status, version=version, text=text, edits=edits, problems=problems,
        kind="json" if text.lstrip()[:1] == "{" else "yaml", line=line,
        excerpt=excerpt(text, line), **parts_of(working(version).document),
    )  # fmt: skip


def parts_of(document: dict[str, Any]) -> dict[str, Any]:
    """What the pages that edit a document list beside it."""
    return {"operations": openapi.operations(document)[:MOST_LISTED], "schemas": schemas_of(document)}


@blueprint.post("/check")
@requires(P.MANAGE_APIS)
def check(slug: str, number: str) -> AnyResponse:
    """What is wrong with the text, and what is in it: as JSON while somebody types, as a page for a button."""
    version = find_draft(slug, number)
    text, edits = _sent_text(version), _sent_edits()
    release()  # nothing is written, and a large document takes a second
    checked = check_text(text)
    if request.accept_mimetypes.best == "application/json":
        entries = list(map(_entry, checked.outline.entries))
        return jsonify(problems=list(map(asdict, checked.problems)), more=checked.more, outline=entries)
    if not checked.problems:
        flash("The document is good. It is not saved yet.", "ok")
    return text_page(find_draft(slug, number), text, edits, checked.problems)


def _entry(entry: Entry) -> dict[str, Any]:
    inside = list(map(_entry, entry.inside))
    return {"kind": entry.kind, "name": entry.name, "line": entry.line, "inside": inside}


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
        said = [] if document is None else [Problem(1, 1, "error", m, "refused") for m in form.trouble]
        return text_page(find_draft(slug, number), text, edits, said or check_text(text).problems, 422)
    flash("The document is saved. It is not served before it is published.", "ok")
    return redirect(url_for("editor.edit", slug=slug, number=number))


def _sent_text(version: ApiVersion) -> str:
    """As it was written: a browser sends every line end as two characters."""
    text = request.form.get("text", "").replace("\r\n", "\n")
    return text.replace("\n", "\r\n") if "\r\n" in working(version).source else text


def _sent_edits() -> int:
    return request.form.get("edits", 0, type=int)
