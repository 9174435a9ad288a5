"""Reviews: asked for, talked about, decided."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..web.access import me, requires
from ..web.forms import sent_twice
from ..web.htmx import render
from . import openapi, queries, reviews
from .forms import CommentForm, DecisionForm, ReviewForm
from .models import ApiVersion
from .proposal import propose
from .working import working

blueprint = Blueprint("reviews", __name__)
P = Permission


def _to(version: ApiVersion) -> Response:
    return redirect(url_for("reviews.index", slug=version.api.slug, number=version.version))


@blueprint.get("/apis/<slug>/<number>/reviews")
@requires(P.READ_APIS)
def index(slug: str, number: str) -> Response:
    return _page(queries.find_version(slug, number))


def _page(
    version: ApiVersion,
    status: int = 200,
    *,
    ask: ReviewForm | None = None,
    say: CommentForm | None = None,
    decide: DecisionForm | None = None,
) -> Response:
    found = reviews.reviews(version)
    work = working(version)
    say = say or CommentForm(line=request.args.get("line", None, int))
    operations = [f"{o.method.upper()} {o.path}" for o in openapi.operations(work.document)]
    say.operation.choices = [("", "The whole"), *((name, name) for name in operations[:2000])]
    context: dict[str, Any] = {
        "version": version,
        "reviews": found,
        "open": next((r for r in found if r.state == "open"), None),
        "ask": ask or ReviewForm(),
        "say": say,
        "decide": decide or DecisionForm(),
        "proposal": propose(version, work),
        "lines": _lines(work.source, found),
    }
    return render("apis/reviews.html", status=status, **context)


def _lines(source: str, found: list[Any]) -> dict[int, str]:
    """The text of the lines that somebody wrote about."""
    wanted = {c.line for review in found[:1] for c in review.comments if c.line}
    return {n: line for n, line in enumerate(source.splitlines(), 1) if n in wanted} if wanted else {}


@blueprint.post("/apis/<slug>/<number>/reviews")
@requires(P.MANAGE_APIS)
def create(slug: str, number: str) -> Response:
    version, form = queries.find_version(slug, number), ReviewForm(request.form)
    if form.validate():
        message = (form.message.data or "").strip()
        form.attempt(reviews.request_review, version, message, edits=form.edits.data, by=me())
    if form.errors:
        return _page(version, 422, ask=form)
    flash("The review is asked for. Nothing can be changed until it is decided or taken back.", "ok")
    return _to(version)


@blueprint.post("/apis/<slug>/<number>/reviews/<int:review_id>/comment")
@requires(P.REVIEW_APIS)
def comment(slug: str, number: str, review_id: int) -> Response:
    version, form = queries.find_version(slug, number), CommentForm(request.form)
    review = reviews.find_review(version, review_id)
    form.operation.choices = [(form.operation.data or "", "")]
    if form.validate() and not sent_twice():
        about = {"operation": form.operation.data or "", "line": form.line.data}
        form.attempt(reviews.comment, review, form.text.data or "", by=me(), **about)
    return _page(version, 422, say=form) if form.errors else _to(version)


@blueprint.post("/apis/<slug>/<number>/reviews/<int:review_id>/approve")
@requires(P.REVIEW_APIS)
def approve(slug: str, number: str, review_id: int) -> Response:
    version, form = queries.find_version(slug, number), DecisionForm(request.form)
    review = reviews.find_review(version, review_id)
    if form.validate():
        form.attempt(reviews.approve_review, review, (form.answer.data or "").strip(), by=me())
    if form.errors:
        return _page(version, 422, decide=form)
    flash(f"{version.name} may be published, exactly as it is now.", "ok")
    return _to(version)


@blueprint.post("/apis/<slug>/<number>/reviews/<int:review_id>/request-changes")
@requires(P.REVIEW_APIS)
def request_changes(slug: str, number: str, review_id: int) -> Response:
    version, form = queries.find_version(slug, number), DecisionForm(request.form)
    review = reviews.find_review(version, review_id)
    if form.validate():
        form.attempt(reviews.request_changes, review, (form.answer.data or "").strip(), by=me())
    if form.errors:
        return _page(version, 422, decide=form)
    flash(f"{review.requested_by.name} is asked for changes.", "ok")
    return _to(version)


@blueprint.post("/apis/<slug>/<number>/reviews/<int:review_id>/withdraw")
@requires(P.MANAGE_APIS)
def withdraw(slug: str, number: str, review_id: int) -> Response:
    version = queries.find_version(slug, number)
    reviews.withdraw_review(reviews.find_review(version, review_id), by=me())
    flash("The review is taken back. It can be changed again.", "ok")
    return _to(version)
