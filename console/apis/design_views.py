"""Forms for the common parts of a draft's document. Each edits the same text that the editor shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ..accounts.models import Permission
from ..db import release
from ..errors import NotFound
from ..web.access import me, requires
from ..web.htmx import render
from . import design, openapi
from .design_forms import DesignForm, GeneralForm, ListForm, SchemaForm, ServersForm, TagsForm
from .drafts import Draft
from .editor_views import find_draft, parts_of
from .models import ApiVersion
from .operation_forms import OperationForm
from .spelling import schemas_of
from .working import working

blueprint = Blueprint("design", __name__, url_prefix="/apis/<slug>/<number>")
P = Permission


@blueprint.get("/design")
@requires(P.MANAGE_APIS)
def general(slug: str, number: str) -> Response:
    version = find_draft(slug, number)
    return page(version, GeneralForm.of(working(version).document["info"], version.edits), "general")


@blueprint.post("/design")
@requires(P.MANAGE_APIS)
def save_general(slug: str, number: str) -> AnyResponse:
    form = GeneralForm(request.form)

    def change(draft: Draft) -> None:
        draft.put(("info",), form.wanted(draft.data["info"]))

    if not saved(slug, number, form, change):
        return page(find_draft(slug, number), form, "general", status=422)
    return redirect(url_for("design.general", slug=slug, number=number))


LISTS: dict[str, type[ListForm]] = {"servers": ServersForm, "tags": TagsForm}


def _list_form(part: str) -> type[ListForm]:
    if part not in LISTS:
        raise NotFound(f"There is no form for {part}.")
    return LISTS[part]


@blueprint.get("/design/<part>")
@requires(P.MANAGE_APIS)
def named(slug: str, number: str, part: str) -> Response:
    version, kind = find_draft(slug, number), _list_form(part)
    return page(version, kind.of(working(version).document.get(part) or [], version.edits), "list", listed=part)


@blueprint.post("/design/<part>")
@requires(P.MANAGE_APIS)
def save_named(slug: str, number: str, part: str) -> AnyResponse:
    form = _list_form(part)(request.form)

    def change(draft: Draft) -> None:
        there = draft.get((part,)) or []
        for old, new in form.renamed(there).items() if isinstance(form, TagsForm) else ():
            draft.rename_tag(old, new)
        draft.put((part,), form.wanted(there))

    if more_rows(form) or not saved(slug, number, form, change):
        return page(find_draft(slug, number), form, "list", listed=part, status=422 if form.errors else 200)
    return redirect(url_for("design.named", slug=slug, number=number, part=part))


@blueprint.get("/design/operations")
@requires(P.MANAGE_APIS)
def operation(slug: str, number: str) -> Response:
    """The one that the address names; without a name, a new one."""
    version, was = find_draft(slug, number), _named_operation()
    if was is None:
        form = OperationForm.new(version.edits)
        form.path.data = request.args.get("path", "")
    else:
        form = OperationForm.of(*was, _operation(working(version).document, was), version.edits)
    return page(version, form, "operation", was=was)


@blueprint.post("/design/operations")
@requires(P.MANAGE_APIS)
def save_operation(slug: str, number: str) -> AnyResponse:
    form, was = OperationForm(request.form), _named_operation()

    def change(draft: Draft) -> None:
        part = _operation(draft.data, was) if was else {}
        draft.set_operation(was, form.method.data, form.path.data or "", form.wanted(part, draft.data))

    if more_rows(form) or not saved(slug, number, form, change):
        return page(find_draft(slug, number), form, "operation", was=was, status=422 if form.errors else 200)
    there = {"method": form.method.data, "path": form.path.data}
    return redirect(url_for("design.operation", slug=slug, number=number, **there))


@blueprint.post("/design/operations/remove")
@requires(P.MANAGE_APIS)
def remove_operation(slug: str, number: str) -> AnyResponse:
    was = _named_operation() or ("", "")
    return removed(slug, number, lambda draft: draft.remove_operation(*was), f"{was[0].upper()} {was[1]}")


@blueprint.get("/design/schemas")
@requires(P.MANAGE_APIS)
def schema(slug: str, number: str) -> Response:
    """The one that the address names; without a name, a new one."""
    version, was = find_draft(slug, number), request.args.get("name")
    part = _schema(working(version).document, was)
    form = SchemaForm.of(was or "", part, version.edits)
    return page(version, form, "schema", was=was, has_fields=_has_fields(part))


@blueprint.post("/design/schemas")
@requires(P.MANAGE_APIS)
def save_schema(slug: str, number: str) -> AnyResponse:
    form, was = SchemaForm(request.form), request.args.get("name")

    def change(draft: Draft) -> None:
        if was:
            draft.rename_properties(was, form.renamed)
        part = _schema(draft.data, was)
        wanted = (
            form.wanted(part, schemas_of(draft.data))
            if was
            else form.wanted({"type": "object"}, schemas_of(draft.data))
        )
        draft.set_schema(was, form.name.data or "", wanted)

    if more_rows(form) or not saved(slug, number, form, change):
        version = find_draft(slug, number)
        fields = _has_fields(_schema(working(version).document, was))
        return page(version, form, "schema", was=was, has_fields=fields, status=422 if form.errors else 200)
    return redirect(url_for("design.schema", slug=slug, number=number, name=form.name.data))


@blueprint.post("/design/schemas/remove")
@requires(P.MANAGE_APIS)
def remove_schema(slug: str, number: str) -> AnyResponse:
    name = request.args.get("name", "")
    return removed(slug, number, lambda draft: draft.remove_schema(name), name)


def page(version: ApiVersion, form: DesignForm, kind: str, *, status: int = 200, **context: Any) -> Response:
    document = working(version).document
    return render(
        f"apis/design_{kind}.html", status=status, version=version, form=form, here=_here(version), kind=kind,
        tags=_tags(document), **parts_of(document),
        is_31=str(document["openapi"]).startswith("3.1"), **({"was": None, "listed": ""} | context),
    )  # fmt: skip


def _here(version: ApiVersion) -> str:
    return f"/apis/{version.api.slug}/{version.version}"


def saved(slug: str, number: str, form: DesignForm, change: Callable[[Draft], None]) -> bool:
    """Whether the change was good, and the document with it. If not, the form says why."""
    if not form.validate():
        return False
    version = find_draft(slug, number)
    draft = Draft(working(version).source, working(version).document)
    release()  # nobody should wait for the database while a large document is read

    def changed() -> dict[str, Any]:
        try:
            change(draft)
            return draft.checked()
        except openapi.Unacceptable as unacceptable:
            form.form_errors.extend(unacceptable.problems)
            raise

    document = form.attempt(changed)
    if document is not None:
        version = find_draft(slug, number)
        edits = form.edits.data or 0
        form.attempt(design.save_document, version, draft.text, edits=edits, by=me(), document=document)
    if not form.errors:
        flash("The document is saved.", "ok")
    return not form.errors


def removed(slug: str, number: str, change: Callable[[Draft], None], name: str) -> AnyResponse:
    form = DesignForm(request.form)
    if saved(slug, number, form, change):
        flash(f"{name} is gone from the document.", "ok")
    for message in form.trouble:
        flash(message, "bad")
    return redirect(url_for("design.general", slug=slug, number=number))


def more_rows(form: DesignForm) -> bool:
    """Whether only another empty row was asked for."""
    name = request.form.get("more", "")
    if name not in form._fields:
        return False
    rows: Any = form[name]
    rows.append_entry({})
    return True


def _named_operation() -> tuple[str, str] | None:
    method, path = request.args.get("method", ""), request.args.get("path", "")
    return (method, path) if method else None


def _operation(document: dict[str, Any], was: tuple[str, str]) -> dict[str, Any]:
    part = ((document.get("paths") or {}).get(was[1]) or {}).get(was[0])
    if not isinstance(part, dict):
        raise NotFound(f"{was[0].upper()} {was[1]} is not written in this document, or only as a $ref.")
    return part


def _schema(document: dict[str, Any], name: str | None) -> dict[str, Any]:
    part = schemas_of(document).get(name) if name else {}
    if not isinstance(part, dict):
        raise NotFound(f"There is no schema {name} in this document.")
    return part


def _has_fields(part: dict[str, Any]) -> bool:
    """An object whose fields the form can show; what is combined of others is for the text."""
    return not part or "properties" in part or part.get("type") == "object"


def _tags(document: dict[str, Any]) -> list[str]:
    declared = [str(t.get("name")) for t in document.get("tags") or []]
    used = [o.tag for o in openapi.operations(document) if o.tag]
    return list(dict.fromkeys(declared + used))
