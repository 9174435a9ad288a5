"""Whether developers may register themselves: by invitation only, from certain mail domains, or anybody.

Registering is an invitation that one asks for oneself: the link goes to the address, which proves that it is hers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import delete, func, select

from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now, serialise
from ..errors import Refused
from .actions import INVITATION_LASTS, RESET_AGAIN_AFTER, make_link
from .models import Link, Person, Purpose, Role, Setting, Team
from .throttle import count_registration

DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
NAME = "registration"
MOST_DOMAINS = 100
MOST_AN_HOUR = 100  # links to addresses that others wrote


class Mode(StrEnum):
    INVITATION = "invitation"
    DOMAIN = "domain"
    OPEN = "open"


@dataclass(frozen=True)
class Registration:
    mode: Mode = Mode.INVITATION
    domains: tuple[str, ...] = ()

    def admits(self, email: str) -> bool:
        if self.mode == Mode.OPEN:
            return True
        return self.mode == Mode.DOMAIN and email.rpartition("@")[2].lower() in self.domains


def registration() -> Registration:
    row = db.session.get(Setting, NAME)
    return Registration(Mode(row.value["mode"]), tuple(row.value["domains"])) if row else Registration()


def change_registration(mode: str, domains: list[str], *, by: Person) -> None:
    """``domains``: those from whose addresses people may register, where the mode is ``domain``."""
    if mode not in tuple(Mode):
        raise Refused(f"Choose one of {', '.join(Mode)}.", "mode")
    wanted = tuple(dict.fromkeys(domain.strip().lower().removeprefix("@") for domain in domains if domain.strip()))
    for domain in wanted:
        if not DOMAIN.fullmatch(domain):
            raise Refused(f"{domain[:80]} is no mail domain. Write it as example.org.", "domains")
    if mode == Mode.DOMAIN and not wanted:
        raise Refused("Write the domains whose people may register.", "domains")
    if len(wanted) > MOST_DOMAINS:
        raise Refused(f"At most {MOST_DOMAINS} domains.", "domains")
    serialise(NAME)
    before = registration()
    row = db.session.get(Setting, NAME) or Setting(name=NAME)
    row.value = {"mode": mode, "domains": list(wanted)}
    db.session.add(row)
    db.session.flush()
    after = Registration(Mode(mode), wanted)
    if before != after:
        changes = {"mode": [before.mode, after.mode], "domains": [list(before.domains), list(after.domains)]}
        record(Action.REGISTRATION_CHANGED, row, by=by, name=NAME, changes=changes)


def ask_to_register(email: str, address: str = "") -> str | None:
    """The token of a link to mail to that address; None when nothing is to be sent, which nobody is told.

    `Refused` when the address may not register at all, which anybody may know.
    """
    rules = registration()
    if not rules.admits(email):
        if rules.mode == Mode.DOMAIN:
            raise Refused(
                f"Addresses of {', '.join(rules.domains)} may register. Ask an admin for an invitation.", "email"
            )
        raise Refused("Accounts are made by invitation here. Ask an admin for one.", "email")
    if address:
        count_registration(address)
    serialise(f"registration {email}")
    asked = select(func.count()).where(Link.purpose == Purpose.REGISTRATION)
    # before anything is said of this address: else who has an account would be told apart once the hour is full
    if (db.session.scalar(asked.where(Link.created_at > now() - RESET_AGAIN_AFTER * 30)) or 0) >= MOST_AN_HOUR:
        raise Refused("Too many people register at this moment. Try again in an hour.")
    if db.session.scalar(select(Person.id).where(Person.email == email)):
        return None
    if db.session.scalar(asked.where(Link.email == email, Link.created_at > now() - RESET_AGAIN_AFTER)):
        return None  # one is on its way; nobody else may fill her mailbox
    db.session.execute(
        delete(Link).where(Link.purpose == Purpose.REGISTRATION, Link.email == email, Link.used_at.is_(None))
    )
    return make_link(Purpose.REGISTRATION, INVITATION_LASTS, email=email, role=Role.DEVELOPER)[1]


def team_of_her_own(name: str) -> Team:
    """A developer who registered by herself owns her applications alone, until an admin puts her in a team."""
    taken = set(db.session.scalars(select(Team.name).where(Team.name.startswith(name[:60], autoescape=True))))
    number = 1
    while (team_name := name[:70] if number == 1 else f"{name[:70]} {number}") in taken:
        number += 1
    team = Team(name=team_name)
    db.session.add(team)
    db.session.flush()
    return team
