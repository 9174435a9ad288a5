"""The reference of a version: its operations, one page for each; its schemas, likewise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint, abort, request
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..apis import queries
from ..apis.models import ApiVersion
from ..applications.queries import own_subscribers
from ..errors import NotFound
from ..runtime import runtime
from ..web.access import ask_to_sign_in, requires, viewer
from ..web.htmx import render
from . import reference
from .calls import example_call, text_of
from .documents import document_of, outline_of
from .outline import Entry, Outline
from .snippets import snippets
from .tree import tree
from .try_form import TryForm, fields_of
from .trying import Tried

blueprint = Blueprint("reference", __name__)
P = Permission
T = TypeVar("T")
PAGE = 100  # operations or schemas in a list
AROUND = 40  # operations of its tag that are listed before and after the one that is read


@blueprint.get("/catalog/<slug>/<number>/operations")
@requires(P.PUBLIC)
def operations(slug: str, number: str) -> Response:
    """Found by words (``q``) or all of one tag; by position, ``after`` is that of the last one seen."""
    version = find_shown(slug, number)
    outline, q = outline_of(version), request.args.get("q", "")[:200]
    tag, after = request.args.get("tag", ""), request.args.get("after", -1, int)
    found = (
        outline.search(q, PAGE) if q else [e for e in outline.by_tag.get(tag, outline.entries) if e.position > after]
    )
    context: dict[str, Any] = {
        "found": found[:PAGE],
        "more": found[PAGE - 1].position if len(found) > PAGE else None,
        "q": q,
        "tag": tag if tag in outline.by_tag else "",
        **around(version, outline),
    }
    return render("catalog/operations.html", part="catalog/_found.html", **context)


def find_shown(slug: str, number: str) -> ApiVersion:
    """As the catalog shows it."""
    return or_ask_to_sign_in(lambda: queries.find_in_catalog(slug, number, by=viewer()))


def or_ask_to_sign_in(find: Callable[[], T]) -> T:
    """What is found; whoever is not signed in and cannot see it is asked to sign in, whether or not it exists."""
    try:
        return find()
    except NotFound:
        if viewer() is None:
            abort(ask_to_sign_in())
        raise


def around(version: ApiVersion, outline: Outline, entry: Entry | None = None) -> dict[str, Any]:
    """For the navigation: of the tag that is read, the operations nearby; of the others, the names."""
    beside = outline.by_tag.get(entry.tag, []) if entry else []
    at = beside.index(entry) if entry else 0
    first = max(0, at - AROUND)
    return {
        "version": version,
        "outline": outline,
        "here": f"/catalog/{version.api.slug}/{version.version}",
        "entry": entry,
        "beside": beside[first : at + AROUND + 1],
        "is_whole": len(beside) <= at + AROUND + 1 and first == 0,
    }


@blueprint.get("/catalog/<slug>/<number>/operations/<anchor>")
@requires(P.PUBLIC)
def operation(slug: str, number: str, anchor: str) -> Response:
    version = find_shown(slug, number)
    return operation_page(version, find_entry(version, anchor))


def find_entry(version: ApiVersion, anchor: str) -> Entry:
    entry = outline_of(version).by_anchor.get(anchor)
    if entry is None:
        raise NotFound(f"{version.name} has no operation of that name. Its document may have changed.")
    return entry


def operation_page(
    version: ApiVersion, entry: Entry, form: TryForm | None = None, tried: Tried | None = None, status: int = 200
) -> Response:
    document = document_of(version)
    described = reference.describe(document, entry.operation)
    person = viewer()
    applications = own_subscribers(person, version.id) if person and person.may(P.USE_APPLICATIONS) else []
    form = form or TryForm(body=text_of(document, described.body) if described.body else "")
    form.offer(applications, described)
    context: dict[str, Any] = {
        "described": described,
        "operation": entry.operation,
        "snippets": snippets(example_call(version, document, described)),
        "issuer": runtime().config.public_url,
        "form": form,
        "fields": fields_of(document, described, request.form if request.method == "POST" else None),
        "applications": applications,
        "tried": tried,
        **around(version, outline_of(version), entry),
    }
    return render("catalog/operation.html", part="catalog/_try.html", status=status, **context)


@blueprint.get("/catalog/<slug>/<number>/schemas")
@requires(P.PUBLIC)
def schemas(slug: str, number: str) -> Response:
    """By name; ``after`` is the last one seen."""
    version = find_shown(slug, number)
    outline, after, q = outline_of(version), request.args.get("after", ""), request.args.get("q", "")[:200]
    names = [n for n in outline.schemas if n.lower() > after.lower() and q.lower() in n.lower()]
    context: dict[str, Any] = {"names": names[:PAGE], "more": names[PAGE - 1] if len(names) > PAGE else None, "q": q}
    return render("catalog/schemas.html", part="catalog/_schemas.html", **context, **around(version, outline))


@blueprint.get("/catalog/<slug>/<number>/schemas/<name>")
@requires(P.PUBLIC)
def schema(slug: str, number: str, name: str) -> Response:
    version = find_shown(slug, number)
    document = document_of(version)
    components = (document.get("components") or {}).get("schemas") or {}
    if name not in components:
        raise NotFound(f"{version.name} has no schema named {name[:80]}.")
    context: dict[str, Any] = {"name": name, "tree": tree(document, components[name])}
    return render("catalog/schema.html", **context, **around(version, outline_of(version)))
