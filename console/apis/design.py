"""Editing the document of a draft: the one action behind the text, the form and whatever else writes documents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import select

from ..accounts.models import Person, Team
from ..audit.actions import record
from ..audit.models import Action
from ..db import db
from ..errors import Refused
from . import openapi
from .actions import import_document, slug_of
from .models import Api, ApiVersion
from .reviews import check_editable
from .spelling import schemas_of
from .working import keep, lock, working
from .writing import Style, scalar

NAMED = 10  # of what was changed, in the audit trail
BLANK = """\
# {title}: what it offers, in OpenAPI {openapi}.
openapi: {openapi}
info:
  title: {quoted}
  version: {version}
  # Say in a paragraph what it is for, and for whom.
  description: ""
servers: []  # where it runs, for example - url: https://api.example.org
paths:
  # Each path, and what can be done there.
  {path}:
    get:
      operationId: {operation}
      summary: {summary}
      responses:
        "200":
          description: {summary}
          content:
            application/json:
              schema:
                type: array
                items:
                  $ref: "#/components/schemas/Item"
components:
  # What is sent and answered, each under a name.
  schemas:
    Item:
      type: object
      required: [id]
      properties:
        id:
          type: string
          description: Never changes.
"""


def start_document(title: str, number: str, path: str, team: Team, *, by: Person) -> ApiVersion:
    """A draft with a small document to go on from. ``path`` is that of its first operation, such as /orders."""
    query = select(ApiVersion.id).join(Api).where(Api.slug == slug_of(title), ApiVersion.version == number)
    if db.session.scalar(query) is not None:
        raise Refused(f"There is a version {number} of {title} already. Choose another number.", "number")
    return import_document(blank_document(title, number, path), team, by=by)


def save_document(
    version: ApiVersion, text: str, *, edits: int, by: Person, document: dict[str, Any] | None = None
) -> None:
    """What is worked on has this document from now on: a draft, or the next revision of a version that is published.

    ``document`` is what ``text`` says, where it was parsed already. `Refused` when it may not be changed now, when somebody
    saved meanwhile (``edits``), and when the text is no good document.
    """
    document = document or openapi.parse(text)
    lock(version, edits)
    check_editable(version)
    number = str(document["info"]["version"]).strip()
    if number != version.version:
        raise Refused(
            f"This is version {version.version}, and the text says {number[:40]}. Put it back; another number is "
            "another version, and comes from an import.",
            "text",
        )
    if not str(document["info"]["title"]).strip():
        raise Refused("The document's info needs a title.", "text")
    work = working(version)
    if text == work.source:
        return
    changes = what_changed(work.document, document)
    keep(version, replace(work, source=text, document=document), by=by)
    record(Action.VERSION_EDITED, version, by=by, changes=changes)


def what_changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """In short, for the audit trail: operations and schemas by name, the other parts of the document as such."""
    changes: dict[str, Any] = {}
    for kind, was, now in (
        ("operations", _operations(before), _operations(after)),
        ("schemas", schemas_of(before), schemas_of(after)),
    ):
        changes |= {f"{kind}_added": _some(now.keys() - was.keys()), f"{kind}_removed": _some(was.keys() - now.keys())}
        changes[f"{kind}_changed"] = _some({k for k in was.keys() & now.keys() if was[k] != now[k]})
    others = {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)} - {"paths", "components"}
    changes["parts"] = _some(others)
    return {k: v for k, v in changes.items() if v} or {"text": "wording, comments or layout"}


def _some(names: set[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(sorted(names)[:NAMED]) + more


def _operations(document: dict[str, Any]) -> dict[str, Any]:
    return {f"{o.method.upper()} {o.path}": o.body for o in openapi.operations(document)}


def blank_document(title: str, version: str, path: str) -> str:
    """A small good document to begin with. ``path`` is of its first operation, such as /orders."""
    style, name = Style(quote='"'), path.strip("/").split("/")[-1]
    words = "".join(part.title() for part in name.replace("_", "-").split("-"))
    return BLANK.format(
        openapi="3.1.0", title=" ".join(title.split()), quoted=scalar(title, style), version=scalar(version, style),
        path=path, operation=f"list{words}", summary=f"List {name.replace('-', ' ').replace('_', ' ')}",
    )  # fmt: skip
