"""One version as a file wants it: its document, choices and plans, and that it is served."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import select

from ..accounts.models import Permission, Team
from ..apis import openapi
from ..apis.actions import import_document, save_draft
from ..apis.choices import Choices
from ..apis.design import save_document
from ..apis.models import Api, ApiVersion, State
from ..apis.preview import document_steps
from ..apis.proposal import propose
from ..apis.publishing import publish_version
from ..apis.switches import mock_version, start_version, unblock_version
from ..apis.working import working
from ..db import db
from ..errors import Refused
from .plans import settle_plans
from .reading import File, Pointer
from .work import Work, differs

Said = dict[str, Any]


def find(slug: str, number: str) -> ApiVersion | None:
    query = select(ApiVersion).join(ApiVersion.api).where(Api.slug == slug, ApiVersion.version == number)
    return db.session.scalars(query).first()


def label(slug: str, said: Said) -> str:
    return f"{slug}@{said['version']}"


def settle_version(work: Work, file: File, pointer: Pointer, said: Said, slug: str, team: Team) -> None:
    """All but its end, which comes after its subscribers."""
    version = find(slug, said["version"])
    if version is not None and version.state == State.RETIRED:
        _stays_retired(version, said)
        return
    work.needs(Permission.MANAGE_APIS)
    text = file.text_of(said, pointer)
    with file.at(*pointer, "document" if "document" in said else "document_file"):
        document = _parse(text, said["version"])
    about = label(slug, said)
    if version is None:
        version = import_document(text, team, by=work.by, document=document, slug=slug)
        work.say(about, f"import the document: {version.operations} operations")
    _release(work, version, said, about)
    if version.is_unpublished:
        _settle_draft(work, file, pointer, version, said, text, document)
    else:
        _settle_served(work, file, pointer, version, said, text, document)


def _parse(text: str, number: str) -> Said:
    document = openapi.parse(text)
    found = str(document["info"]["version"]).strip()
    if found != number:
        raise Refused(f"info.version of the document says {found[:40]}, and this is version {number}. Make them agree.")
    return document


def _stays_retired(version: ApiVersion, said: Said) -> None:
    if said["state"] != State.RETIRED:
        raise Refused(f"{version.name} is retired, which cannot be undone. Write `state: retired`.", "state")


def _release(work: Work, version: ApiVersion, said: Said, about: str) -> None:
    """An emergency stop, or the switch beside the states, that the file does not know of, or has another reason for."""
    if version.state == State.BLOCKED and (
        said["state"] != State.BLOCKED or said.get("reason") != version.block_reason
    ):
        unblock_version(version, by=work.by)
        work.say(about, "unblock")
    if version.stopped_at is not None and said.get("stopped") != version.stop_reason and version.is_serving:
        start_version(version, by=work.by)
        work.say(about, "switch on")


def _chosen(before: Choices, said: Said) -> Choices:
    return Choices.read(asdict(before) | said.get("choices", {}))


def _settle_draft(
    work: Work, file: File, pointer: Pointer, version: ApiVersion, said: Said, text: str, document: Said
) -> None:
    about = label(version.api.slug, said)
    _settle_content(work, file, pointer, version, said, text, document)
    with file.at(*pointer):
        settle_plans(work, file, pointer, version, said.get("plans", []), about)
        if said["state"] != State.DRAFT:
            publish_version(version, edits=version.edits, by=work.by)
            work.say(about, "publish as revision 1")
        elif "mocked" in said and version.mocked != said["mocked"]:
            mock_version(version, said["mocked"], by=work.by)
            work.say(about, differs("mocked", not said["mocked"], said["mocked"]))


def _settle_served(
    work: Work, file: File, pointer: Pointer, version: ApiVersion, said: Said, text: str, document: Said
) -> None:
    """Against what is served; a next revision that somebody works on is left alone while nothing differs."""
    about = label(version.api.slug, said)
    if said["state"] == State.DRAFT:
        with file.at(*pointer):
            raise Refused(f"{version.name} was published and is no draft again. Write `state: published`.", "state")
    if document != version.document or _chosen(Choices.of(version), said) != Choices.of(version):
        _settle_content(work, file, pointer, version, said, text, document)
        work.note(about, propose(version).who_breaks)
        with file.at(*pointer):
            revision = publish_version(version, edits=version.edits, by=work.by)
        work.say(about, f"publish as revision {revision.number}")
    with file.at(*pointer):
        settle_plans(work, file, pointer, version, said.get("plans", []), about)


def _settle_content(
    work: Work, file: File, pointer: Pointer, version: ApiVersion, said: Said, text: str, document: Said
) -> None:
    """The document and the choices that are worked on; told as what changes for callers, where it has any."""
    about, now = label(version.api.slug, said), working(version)
    before = version.document if version.is_serving else now.document
    steps = document_steps(before, document)
    for step in steps:
        work.say(about, f"document: {step}")
    with file.at(*pointer, "document"):
        if text != now.source:
            if not steps:
                work.say(about, "document: another text that says the same")
            save_document(version, text, edits=version.edits, by=work.by, document=document)
    base = Choices.of(version)
    wanted = _chosen(base, said)
    for name, (old, new) in base.steps_to(wanted).items():
        work.say(about, differs(name, old, new))
    if wanted != now.choices:
        with file.at(*pointer, "choices"):
            save_draft(version, wanted, edits=version.edits, by=work.by)
