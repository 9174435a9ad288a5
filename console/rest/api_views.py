"""APIs, their versions, what they say and what was chosen for them."""

from __future__ import annotations

from dataclasses import asdict

from flask import Response

from ..accounts.models import Permission
from ..accounts.queries import teams_of
from ..apis import actions, design, queries
from ..apis.choices import Choices
from ..apis.models import ApiVersion, State
from ..apis.working import working
from ..errors import Refused
from ..web.access import me
from . import shapes
from .answers import address, after_number, expected, json, nothing, page, tag_of
from .operations import DOCUMENT, Asked, operation
from .parameters import PAGED, SEARCH, Parameter

P = Permission
TAG = "APIs"
STATE = Parameter("state", "with a version in this state", choices=tuple(State))
TEAM = Parameter("team", "the name of the team of yours that owns it", is_required=True)
OF_VERSION = "/apis/<slug>/versions/<number>"


def answer(version: ApiVersion, status: int = 200, **headers: str) -> Response:
    """A version with its entity tag."""
    return json(shapes.of_version(version), status, ETag=tag_of(version), **headers)


@operation("GET", "/apis", P.READ_APIS, tag=TAG, answer="[Api]", query=(SEARCH, STATE, *PAGED))
def list_apis(asked: Asked) -> Response:
    """List APIs, by name."""
    said = asked.query
    found = queries.apis(after=said["after"], search=said["search"], state=said["state"], size=said["limit"])
    return page(asked, found, shapes.of_api, lambda api: api.slug)


@operation("POST", "/apis", P.MANAGE_APIS, tag=TAG, answer="Version", statuses=(200, 201), body=DOCUMENT, query=(TEAM,))
def import_api(asked: Asked) -> Response:
    """Import an OpenAPI document. A new title makes an API, a new `info.version` makes a version of it, both as a draft (201);
    else the document is replaced: in the draft, or in the next revision of what is published (200)."""
    team = next((t for t in teams_of(me()) if t.name == asked.query["team"]), None)
    if team is None:
        raise Refused("Name a team of yours.", "team")
    info = asked.document["info"]
    name = f"{actions.slug_of(str(info['title']).strip()[:120])}@{str(info['version']).strip()[:40]}"
    is_new = not queries.versions_named(name)
    version = actions.import_document(asked.text, team, by=me(), document=asked.document)
    where = address("apis", version.api.slug, "versions", version.version)
    return answer(version, 201, Location=where) if is_new else answer(version)


@operation("GET", "/apis/<slug>", P.READ_APIS, tag=TAG, answer="Api")
def show_api(asked: Asked, slug: str) -> Response:
    """Read one API."""
    return json(shapes.of_api(queries.newest_version(slug).api))


@operation("PATCH", "/apis/<slug>", P.MANAGE_APIS, tag=TAG, answer="Api", body="ApiChange")
def change_api(asked: Asked, slug: str) -> Response:
    """Change who finds an API in the catalog, and for how many days its request records are kept (null: as usual)."""
    api = queries.newest_version(slug).api
    if "visibility" in asked.body:
        actions.change_visibility(api, asked.body["visibility"], by=me())
    if "log_days" in asked.body:
        actions.change_log_days(api, asked.body["log_days"], by=me())
    return json(shapes.of_api(api))


@operation("GET", "/apis/<slug>/versions", P.READ_APIS, tag=TAG, answer="[Version]", query=PAGED)
def list_versions(asked: Asked, slug: str) -> Response:
    """List the versions of an API, newest first."""
    queries.newest_version(slug)
    found = queries.versions_of(slug, before=after_number(asked), size=asked.query["limit"])
    return page(asked, found, shapes.of_version, lambda version: version.id)


@operation("GET", OF_VERSION, P.READ_APIS, tag=TAG, answer="Version")
def show_version(asked: Asked, slug: str, number: str) -> Response:
    """Read one version. Its ETag goes into the If-Match of what changes it."""
    return answer(queries.find_version(slug, number))


@operation("DELETE", OF_VERSION, P.MANAGE_APIS, tag=TAG, precondition=True)
def discard_version(asked: Asked, slug: str, number: str) -> Response:
    """Discard a version that was never published."""
    version = queries.find_version(slug, number)
    expected(version)
    actions.discard_draft(version, by=me())
    return nothing()


@operation("GET", f"{OF_VERSION}/document", P.READ_APIS, tag=TAG, answer="text")
def show_document(asked: Asked, slug: str, number: str) -> Response:
    """Read the OpenAPI document that is worked on, letter for letter as it was given."""
    version = queries.find_version(slug, number)
    return as_text(version, working(version).source)


def as_text(version: ApiVersion, source: str) -> Response:
    kind = "application/json" if source.lstrip().startswith("{") else "application/yaml"  # RFC 9512
    return Response(source, mimetype=kind, headers={"ETag": tag_of(version)})


@operation("PUT", f"{OF_VERSION}/document", P.MANAGE_APIS, tag=TAG, answer="Version", body=DOCUMENT, precondition=True)
def save_document(asked: Asked, slug: str, number: str) -> Response:
    """Save the OpenAPI document: of a draft, or for the next revision of what is published."""
    version = queries.find_version(slug, number)
    design.save_document(version, asked.text, edits=expected(version), by=me(), document=asked.document)
    return answer(version)


@operation(
    "PATCH", f"{OF_VERSION}/choices", P.MANAGE_APIS, tag=TAG, answer="Version", body="ChoicesChange", precondition=True
)
def save_choices(asked: Asked, slug: str, number: str) -> Response:
    """Save choices: of a draft, or for the next revision of what is published. What is not sent stays."""
    version = queries.find_version(slug, number)
    edits = expected(version)
    actions.save_draft(version, changed_choices(version, asked.body), edits=edits, by=me())
    return answer(version)


def changed_choices(version: ApiVersion, changes: dict[str, object]) -> Choices:
    """Those that are worked on, with these changes."""
    return Choices.read(asdict(working(version).choices) | changes)


@operation("DELETE", f"{OF_VERSION}/changes", P.MANAGE_APIS, tag=TAG, precondition=True)
def discard_changes(asked: Asked, slug: str, number: str) -> Response:
    """Discard what was changed since the revision that is served."""
    version = queries.find_version(slug, number)
    actions.discard_changes(version, edits=expected(version), by=me())
    return nothing()
