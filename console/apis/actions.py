"""What can happen to the content of an API version: import, change, save, discard."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, select

from ..accounts.models import Person, Team
from ..applications.plans import plans_of
from ..audit.actions import record
from ..audit.models import Action
from ..catalog.indexing import index_version
from ..credentials.encryption import forget_keys
from ..db import db, serialise
from ..errors import Refused
from . import openapi
from .choices import Choices, check_choices, choose, taken
from .models import Accepts, Api, ApiVersion, Follower, Visibility
from .publishing import publish_version as publish_version
from .reviews import check_editable, end_review, reviews
from .states import Move, check_move
from .working import keep, lock, set_document, working

LONGEST_LOG_DAYS = 3650


def import_document(
    text: str, team: Team, *, by: Person, document: dict[str, Any] | None = None, slug: str = ""
) -> ApiVersion:
    """A draft from an OpenAPI document: of a new API, or a further version of the API with that title.

    Of a version that is there already the document alone is replaced: in the draft, or in the next revision of one that
    was published. What was chosen, plans, keys and subscribers stay. ``document`` is what ``text`` says, where it was
    parsed already; ``slug`` is the API's, where it is not that of the title.
    """
    document = document or openapi.parse(text)
    info = document["info"]
    title, number = str(info["title"]).strip()[:120], str(info["version"]).strip()[:40]
    if not title or not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.+_-]*", number):
        raise Refused("The document's info needs a title, and a version of letters, digits and dots.", "document")
    api = _api(slug or slug_of(title), title, info, team)
    version = _there_already(api, number)
    if version is None:
        version = ApiVersion(api_id=api.id, version=number, created_by_id=by.id)
        set_document(version, text, document)
        _suggest(version, api, number, document)
        db.session.add(version)
    elif version.is_unpublished:
        set_document(version, text, document)
    else:
        _next_revision(version, text, document, by=by)
    db.session.flush()
    record(Action.VERSION_IMPORTED, version, by=by, changes={"operations": len(openapi.operations(document))})
    return version


def slug_of(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "api"


def _api(slug: str, title: str, info: dict[str, Any], team: Team) -> Api:
    serialise(f"api {slug}")
    api = db.session.scalars(select(Api).where(Api.slug == slug)).first()
    if api is None:
        about = str(info.get("summary") or info.get("description") or "").strip().split("\n")[0]
        api = Api(slug=slug, name=title, summary=about[:300], team=team)
        db.session.add(api)
        db.session.flush()
    return api


def _there_already(api: Api, number: str) -> ApiVersion | None:
    query = select(ApiVersion).where(ApiVersion.api_id == api.id, ApiVersion.version == number)
    version = db.session.scalars(query).first()
    if version is not None:
        check_editable(version)
    return version


def _next_revision(version: ApiVersion, text: str, document: dict[str, Any], *, by: Person) -> None:
    work = working(version)
    if document == work.document and text == work.source:
        raise Refused(
            f"{version.name} is published with this very document already. "
            "Change it, or change `info.version` in it to add a version.",
            "document",
        )
    keep(version, replace(work, source=text, document=document), by=by)


def _suggest(version: ApiVersion, api: Api, number: str, document: dict[str, Any]) -> None:
    used = {p for p in db.session.scalars(select(ApiVersion.gateway_path).where(ApiVersion.api_id == api.id)) if p}
    major = f"/{api.slug}/v{re.sub(r'[^0-9].*', '', number) or number.lower()}"
    full = f"/{api.slug}/v{re.sub(r'[^a-z0-9.]', '-', number.lower())}"
    version.gateway_path = major if major not in used and not taken(major) else full
    if taken(version.gateway_path):
        version.gateway_path = None
    version.backend_url = openapi.first_server(document)
    version.accepts = [Accepts.ENCRYPTED]


def save_draft(version: ApiVersion, choices: Choices, *, edits: int, by: Person) -> None:
    """The choices: of a draft, or for the next revision of a version that is published."""
    lock(version, edits)
    check_editable(version)
    if version.is_unpublished:
        changes = choose(version, choices)
    else:
        work = working(version)
        wanted = check_choices(version, choices)
        changes = work.choices.steps_to(wanted)
        if changes:
            keep(version, replace(work, choices=wanted), by=by)
    if changes:
        record(Action.VERSION_CHANGED, version, by=by, changes=changes)


def discard_draft(version: ApiVersion, *, by: Person) -> None:
    """A version that was never published, with all that belongs to it."""
    check_move(version, Move.DISCARD)
    record(Action.VERSION_DISCARDED, version, by=by)
    api = version.api
    forget_keys(version.id)
    for row in (*reviews(version), *plans_of(version.id)):
        db.session.delete(row)
    db.session.delete(version)
    db.session.flush()
    if db.session.scalar(select(ApiVersion.id).where(ApiVersion.api_id == api.id).limit(1)) is None:
        db.session.execute(delete(Follower).where(Follower.api_id == api.id))
        db.session.delete(api)


def discard_changes(version: ApiVersion, *, edits: int, by: Person) -> None:
    """Of a published version: the next revision that was worked on. What is served stays."""
    lock(version, edits)
    if version.draft is None:
        raise Refused(f"Nothing was changed since revision {version.revision} of {version.name}.")
    db.session.delete(version.draft)
    version.draft = None
    end_review(version)
    record(Action.VERSION_CHANGES_DISCARDED, version, by=by, changes={"revision": version.revision})


def change_visibility(api: Api, visibility: str, *, by: Person) -> None:
    """Who finds it in the catalog: its team, everybody who is signed in, or anybody."""
    if visibility not in tuple(Visibility):
        raise Refused(f"Choose one of {', '.join(Visibility)}.", "visibility")
    serialise(f"api {api.id}")
    db.session.refresh(api)
    before, api.visibility = api.visibility, Visibility(visibility)
    if before != visibility:
        record(Action.API_VISIBILITY_CHANGED, api, by=by, changes={"visibility": [before, visibility]})
        for version in api.versions:
            index_version(version)


def change_log_days(api: Api, days: int | None, *, by: Person) -> None:
    """For how many days the request records of all its versions are kept; None: as the installation keeps its own."""
    if days is not None and not 1 <= days <= LONGEST_LOG_DAYS:
        raise Refused(f"1 to {LONGEST_LOG_DAYS} days.", "days")
    serialise(f"api {api.id}")
    db.session.refresh(api)
    before, api.log_days = api.log_days, days
    if before != days:
        record(Action.API_LOG_RETENTION_CHANGED, api, by=by, changes={"log_days": [before, days]})
