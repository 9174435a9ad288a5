"""`gatewright apply`: from what is there to what files want, by the actions that people use, in one transaction.

Each part is compared with what is there at that moment, told in words, and done. A rehearsal is the same, undone at its
end: so it meets every refusal that the real one would meet. What files do not name is left alone.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Flask
from sqlalchemy import select

from ..accounts.actions import create_team
from ..accounts.models import Permission, Person, Team
from ..accounts.queries import person_by_email
from ..apis.actions import change_log_days, change_visibility
from ..apis.models import Api
from ..db import db, unit_of_work
from ..errors import Refused
from ..runtime import runtime
from .consumers import settle_application
from .endings import end_version
from .reading import File, Pointer
from .versions import settle_version
from .work import Work, differs

Said = dict[str, Any]


class _Undo(Exception):
    pass


def rehearse(app: Flask, files: list[File], email: str) -> Work:
    """What `carry_out` would do; nothing of it is kept."""
    with app.app_context():
        with suppress(_Undo), unit_of_work():
            work = carry_out(files, email)
            raise _Undo
        runtime().memory.clear()  # it may hold what was undone
    return work


def carry_out(files: list[File], email: str) -> Work:
    """Within a unit of work. First what is served, then who uses it, then what ends."""
    work = Work(_person(email))
    for file in files:
        for index, said in enumerate(file.data.get("apis", [])):
            _settle_api(work, file, ("apis", index), said)
    for file in files:
        for index, said in enumerate(file.data.get("applications", [])):
            pointer: Pointer = ("applications", index)
            with file.at(*pointer):
                team = _team(work, said["team"])
            settle_application(work, file, pointer, said, team)
    for file in files:
        for pointer, slug, said in _versions(file):
            with file.at(*pointer):
                end_version(work, file, pointer, said, slug)
    return work


def _person(email: str) -> Person:
    person = person_by_email(email)
    if person is None or not person.is_active:
        raise Refused(f"Nobody with the address {email} can sign in here. Name another with --as.")
    return person


def _versions(file: File) -> list[tuple[Pointer, str, Said]]:
    return [
        (("apis", n, "versions", m), api["api"], said)
        for n, api in enumerate(file.data.get("apis", []))
        for m, said in enumerate(api.get("versions", []))
    ]


def _team(work: Work, name: str) -> Team:
    team = db.session.scalars(select(Team).where(Team.name == name)).first()
    if team is None:
        work.needs(Permission.MANAGE_PEOPLE)
        team = create_team(name, by=work.by)
        work.say(f"team {name}", "create")
    return team


def _settle_api(work: Work, file: File, pointer: Pointer, said: Said) -> None:
    slug = said["api"]
    with file.at(*pointer):
        team = _team(work, said["team"])
        api = _find(slug)
        if api is not None and api.team_id != team.id:
            raise Refused(f"{api.name} belongs to {api.team.name}, which a file does not change. Write that.", "team")
    for index, version in enumerate(said.get("versions", [])):
        here = (*pointer, "versions", index)
        with file.at(*here):
            settle_version(work, file, here, version, slug, team)
    with file.at(*pointer):
        _settle_choices(work, slug, said)


def _find(slug: str) -> Api | None:
    return db.session.scalars(select(Api).where(Api.slug == slug)).first()


def _settle_choices(work: Work, slug: str, said: Said) -> None:
    api = _find(slug)
    if api is None:
        raise Refused(f"There is no API {slug}. Write a version of it, with its document.", "api")
    if "visibility" in said and api.visibility != said["visibility"]:
        work.needs(Permission.MANAGE_APIS)
        work.say(slug, differs("visibility", api.visibility, said["visibility"]))
        change_visibility(api, said["visibility"], by=work.by)
    if "log_days" in said and api.log_days != said["log_days"]:
        work.needs(Permission.MANAGE_APIS)
        work.say(slug, differs("log_days", api.log_days, said["log_days"]))
        change_log_days(api, said["log_days"], by=work.by)
