"""Revisions: the list, one of them, what changed between two, and back to an earlier one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..errors import NotFound
from ..web.access import me, requires
from ..web.htmx import render
from . import publishing, queries, revisions
from .diff import compare as compared
from .models import ApiVersion
from .proposal import differences
from .working import Working, working

blueprint = Blueprint("revisions", __name__)
P = Permission
WORKING = "working"  # in the place of a number: what is worked on


@blueprint.get("/apis/<slug>/<number>/revisions")
@requires(P.READ_APIS)
def index(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    found = revisions.revisions(version, before=request.args.get("before", 0, int))
    page = found[: revisions.PAGE]
    more = page[-1].number if len(found) > len(page) else None
    return render("apis/revisions.html", version=version, revisions=page, more=more)


@blueprint.get("/apis/<slug>/<number>/revisions/<int:revision>")
@requires(P.READ_APIS)
def source(slug: str, number: str, revision: int) -> Response:
    """The document as it was published."""
    found = revisions.content_of(revisions.find_revision(queries.find_version(slug, number), revision))
    kind = "json" if found.source.lstrip().startswith("{") else "yaml"
    response = Response(found.source, mimetype="text/plain")
    response.headers["Content-Disposition"] = f'attachment; filename="{slug}-{number}-r{revision}.{kind}"'
    return response


@blueprint.get("/apis/<slug>/<number>/compare")
@requires(P.READ_APIS)
def compare(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    last = WORKING if version.draft else str(version.revision)
    one, two = (
        request.args.get("from") or str(max(1, version.revision - (version.draft is None))),
        request.args.get("to") or last,
    )
    before, after = _content(version, one), _content(version, two)
    context: dict[str, Any] = {
        "version": version,
        "one": one,
        "two": two,
        "comparison": compared(before.document, after.document),
        "chosen": differences(before.choices, after.choices),
        "revisions": revisions.revisions(version, size=100, whole=False),
    }
    return render("apis/compare.html", **context)


def _content(version: ApiVersion, which: str) -> Working:
    if which == WORKING:
        return working(version)
    if not which.isdecimal() or len(which) > 9:
        raise NotFound(f"{which[:20]} is no revision.")
    return revisions.content_of(revisions.find_revision(version, int(which)))


@blueprint.post("/apis/<slug>/<number>/revisions/<int:revision>/restore")
@requires(P.MANAGE_APIS)
def restore(slug: str, number: str, revision: int) -> Response:
    """``serve=1``: and serve it at once."""
    version = queries.find_version(slug, number)
    found, serve = revisions.find_revision(version, revision), request.form.get("serve") == "1"
    publishing.restore_revision(version, found, edits=request.form.get("edits", 0, int), by=me(), serve=serve)
    if serve:
        flash(f"Revision {revision} is served again, as revision {version.revision}.", "ok")
        return redirect(url_for("apis.show", slug=slug, number=number))
    flash(f"Revision {revision} is what you work on. Publish it when it is right.", "ok")
    return redirect(url_for("lifecycle.publish_form", slug=slug, number=number))
