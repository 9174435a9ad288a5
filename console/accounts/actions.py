"""What can happen to people, teams and one-time links."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func, select, update

from ..audit.actions import record
from ..audit.models import Action
from ..credentials.secrets import LINK, digest, mint, well_formed
from ..db import db, now, serialise
from ..errors import Refused
from .access_token_models import AccessToken
from .models import Link, Person, Purpose, Role, SentForm, Session, Team
from .passwords import hash_password, verify_password

INVITATION_LASTS = timedelta(days=7)
RESET_LASTS = timedelta(hours=1)
RESET_AGAIN_AFTER = timedelta(minutes=2)


def create_admin(email: str, password: str, *, name: str = "", by: Person | None = None) -> Person:
    """The first person of an installation, or one more admin from the command line."""
    person = _create_person(email, name or email.split("@")[0].title(), Role.ADMIN, password, _first_team())
    record(Action.ADMIN_CREATED, person, by=by or person)
    return person


def _first_team() -> Team:
    return db.session.scalars(select(Team).order_by(Team.id).limit(1)).first() or _create_team("Platform")


def _create_team(name: str) -> Team:
    team = Team(name=name)
    db.session.add(team)
    db.session.flush()
    return team


def _create_person(email: str, name: str, role: Role, password: str, team: Team | None) -> Person:
    if db.session.scalar(select(Person.id).where(Person.email == email)):
        raise Refused(f"{email} already has an account here. Sign in, or ask for a password reset.", "email")
    person = Person(email=email, name=name, role=role, password_hash=hash_password(password, email=email))
    person.teams = [team] if team else []
    db.session.add(person)
    db.session.flush()
    return person


def create_team(name: str, *, by: Person) -> Team:
    if db.session.scalar(select(Team.id).where(func.lower(Team.name) == name.lower())):
        raise Refused(f"There is a team named {name} already.", "name")
    team = _create_team(name)
    record(Action.TEAM_CREATED, team, by=by)
    return team


def make_setup_link() -> str:
    """The token of a one-time link that creates the first admin; earlier ones end."""
    db.session.execute(delete(Link).where(Link.purpose == Purpose.SETUP, Link.used_at.is_(None)))
    return make_link(Purpose.SETUP, INVITATION_LASTS)[1]


def set_up(token: str, *, name: str, email: str, password: str) -> Person:
    link = use_link(token, Purpose.SETUP)
    if db.session.scalar(select(func.count()).select_from(Person)):
        raise Refused("This installation has its first admin already. Sign in.")
    person = create_admin(email, password, name=name)
    link.person_id = person.id
    return person


def invite(email: str, role: Role, team: Team | None, *, by: Person) -> tuple[Link, str]:
    """An invitation and its token, which is shown or mailed and not kept."""
    if db.session.scalar(select(Person.id).where(Person.email == email)):
        raise Refused(f"{email} already has an account here.", "email")
    db.session.execute(
        delete(Link).where(Link.purpose == Purpose.INVITATION, Link.email == email, Link.used_at.is_(None))
    )
    link, token = make_link(Purpose.INVITATION, INVITATION_LASTS, email=email, role=role, team=team)
    record(Action.PERSON_INVITED, link, by=by, name=email, changes={"role": role, "team": team.name if team else None})
    return link, token


def register(token: str, *, name: str, password: str) -> Person:
    """Who asked for the link herself: a developer, in a team of her own."""
    from .registration import registration, team_of_her_own

    link = use_link(token, Purpose.REGISTRATION)
    if not registration().admits(link.email):  # the rules were changed since
        raise Refused("Accounts are made by invitation here. Ask an admin for one.")
    person = _create_person(link.email, name, Role.DEVELOPER, password, team_of_her_own(name))
    link.person_id = person.id
    record(Action.PERSON_REGISTERED, person, by=person, changes={"team": person.teams[0].name})
    return person


def change_team_rules(team: Team, *, review_required: bool, four_eyes: bool, by: Person) -> None:
    """What has to happen before the team's APIs are published."""
    serialise(f"team {team.id}")
    db.session.refresh(team)
    wanted = {"review_required": review_required, "four_eyes": four_eyes}
    changes = {k: [getattr(team, k), v] for k, v in wanted.items() if getattr(team, k) != v}
    for name, (_, after) in changes.items():
        setattr(team, name, after)
    if changes:
        record(Action.TEAM_RULES_CHANGED, team, by=by, changes=changes)


def accept_invitation(token: str, *, name: str, password: str) -> Person:
    link = use_link(token, Purpose.INVITATION)
    person = _create_person(link.email, name, Role(link.role), password, link.team)
    link.person_id = person.id
    record(Action.PERSON_JOINED, person, by=person, changes={"role": link.role})
    return person


def withdraw_invitation(link: Link, *, by: Person) -> None:
    if link.used_at is not None:
        raise Refused("That invitation was used already.")
    record(Action.PERSON_INVITED, link, by=by, name=link.email, changes={"withdrawn": True})
    db.session.delete(link)


def request_password_reset(email: str) -> tuple[Person, str] | None:
    """The person and a token to mail to her; None when nobody has that address (do not tell)."""
    person = db.session.scalars(select(Person).where(Person.email == email)).first()
    if person is None or not person.is_active:
        return None
    lately = select(Link.id).where(Link.purpose == Purpose.PASSWORD_RESET, Link.person_id == person.id)
    if db.session.scalar(lately.where(Link.created_at > now() - RESET_AGAIN_AFTER).limit(1)):
        return None  # one is on its way; nobody else may fill her mailbox
    db.session.execute(
        delete(Link).where(Link.purpose == Purpose.PASSWORD_RESET, Link.person_id == person.id, Link.used_at.is_(None))
    )
    _, token = make_link(Purpose.PASSWORD_RESET, RESET_LASTS, person_id=person.id, email=email)
    record(Action.PASSWORD_RESET_SENT, person)
    return person, token


def reset_password(token: str, password: str) -> Person:
    link = use_link(token, Purpose.PASSWORD_RESET)
    person = db.session.get_one(Person, link.person_id)
    if not person.is_active:
        raise Refused("This account is deactivated. Ask an admin.")
    _set_password(person, password)
    return person


def change_password(person: Person, *, current: str, password: str, keep: str = "") -> None:
    """Every other session of hers ends; ``keep`` is the digest of the one she is in."""
    if not verify_password(current, person.password_hash):
        raise Refused("That is not your current password.", "current")
    _set_password(person, password, keep=keep)


def _set_password(person: Person, password: str, *, keep: str = "") -> None:
    person.password_hash = hash_password(password, email=person.email)
    db.session.execute(delete(Session).where(Session.person_id == person.id, Session.digest != keep))
    record(Action.PASSWORD_CHANGED, person, by=person)


def change_role(person: Person, role: Role, *, by: Person) -> None:
    if person.role == role:
        return
    if person.role == Role.ADMIN:
        _refuse_last_admin(person)
    before, person.role = person.role, role
    record(Action.PERSON_CHANGED, person, by=by, changes={"role": [before, role]})


def change_teams(person: Person, teams: list[Team], *, by: Person) -> None:
    before, after = [t.name for t in person.teams], [t.name for t in teams]
    if before != after:
        person.teams = teams
        record(Action.PERSON_CHANGED, person, by=by, changes={"teams": [before, after]})


def deactivate(person: Person, *, by: Person) -> None:
    """She is signed out everywhere, her access tokens end, and she cannot sign in; what she did stays."""
    if person.id == by.id:
        raise Refused("You cannot deactivate yourself. Another admin can.")
    if person.role == Role.ADMIN:
        _refuse_last_admin(person)
    if person.is_active:
        person.deactivated_at = now()
        db.session.execute(delete(Session).where(Session.person_id == person.id))
        held = update(AccessToken).where(AccessToken.person_id == person.id, AccessToken.revoked_at.is_(None))
        db.session.execute(held.values(revoked_at=now()))
        record(Action.PERSON_DEACTIVATED, person, by=by)


def reactivate(person: Person, *, by: Person) -> None:
    if not person.is_active:
        person.deactivated_at = None
        record(Action.PERSON_REACTIVATED, person, by=by)


def _refuse_last_admin(person: Person) -> None:
    serialise("admins")
    others = select(Person.id).where(Person.role == Role.ADMIN, Person.deactivated_at.is_(None), Person.id != person.id)
    if db.session.scalar(others.limit(1)) is None:
        raise Refused(f"{person.name} is the only admin. Make somebody else an admin first.")


def find_link(token: str, purpose: Purpose) -> Link:
    """The open link, else `Refused` with what to do."""
    again = {
        Purpose.SETUP: "Start `gatewright up` again for a new one.",
        Purpose.INVITATION: "Ask the admin who invited you for a new one.",
        Purpose.PASSWORD_RESET: "Ask for a new one on the sign-in page.",
        Purpose.ENROLMENT: "Make a new one on the Nodes page.",
        Purpose.REGISTRATION: "Ask for a new one on the sign-in page.",
    }[purpose]
    link = None
    if well_formed(token, LINK):
        link = db.session.scalars(select(Link).where(Link.digest == digest(token), Link.purpose == purpose)).first()
    if link is None:
        raise Refused(f"This link is not valid. {again}")
    if link.used_at is not None:
        raise Refused(f"This link was used already. {again}")
    if not link.is_open:
        raise Refused(f"This link expired on {link.expires_at:%d %B %Y at %H:%M} UTC. {again}")
    return link


def use_link(token: str, purpose: Purpose) -> Link:
    link = find_link(token, purpose)
    used = db.session.execute(update(Link).where(Link.id == link.id, Link.used_at.is_(None)).values(used_at=now()))
    if used.rowcount != 1:  # type: ignore[attr-defined]  # two browsers at once: one wins
        raise Refused("This link was used a moment ago.")
    return link


def make_link(purpose: Purpose, lasts: timedelta, *, team: Team | None = None, **values: object) -> tuple[Link, str]:
    minted = mint(LINK)
    link = Link(purpose=purpose, digest=minted.digest, expires_at=now() + lasts, **values)
    link.team_id = team.id if team else None
    db.session.add(link)
    db.session.flush()
    return link, minted.text


def make_enrolment(name: str, *, by: Person | None) -> tuple[Link, str]:
    """A code with which one gateway node gets its credential, within the hour."""
    link, token = make_link(Purpose.ENROLMENT, timedelta(hours=1), name=name)
    record(Action.NODE_INVITED, link, by=by, name=name)
    return link, token


def sent_before(person: Person, token: str) -> bool:
    """Note that this person sent the form with this token; True when she had sent it already."""
    serialise(f"form {person.id}")
    if db.session.scalar(select(SentForm.id).where(SentForm.person_id == person.id, SentForm.token == token)):
        return True
    db.session.execute(delete(SentForm).where(SentForm.created_at < now() - timedelta(days=2)))
    db.session.add(SentForm(person_id=person.id, token=token))
    return False
