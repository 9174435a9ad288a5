"""Reading people and teams; every list is bounded."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from ..db import db, now
from ..errors import NotFound
from .models import Link, Membership, Person, Purpose, Role, Session, Team

PAGE = 50


def people(*, after: int = 0, search: str = "", size: int = PAGE) -> list[Person]:
    query = select(Person).options(selectinload(Person.teams).load_only(Team.name)).order_by(Person.id).limit(size + 1)
    if search:
        query = query.where(
            Person.email.contains(search.lower(), autoescape=True) | Person.name.icontains(search, autoescape=True)
        )
    return list(db.session.scalars(query.where(Person.id > after)))


def find_person(person_id: int) -> Person:
    person = db.session.get(Person, person_id)
    if person is None:
        raise NotFound("There is nobody with that number.")
    return person


def person_by_email(email: str) -> Person | None:
    return db.session.scalars(select(Person).where(Person.email == email.strip().lower())).first()


def teams() -> list[Team]:
    return list(db.session.scalars(select(Team).order_by(Team.name).limit(500)))


def teams_of(person: Person) -> list[Team]:
    """Those she may act for: an admin for all of them."""
    return teams() if person.role == Role.ADMIN else list(person.teams)


class ListedTeam(NamedTuple):
    id: int
    name: str
    review_required: bool
    people: int


def listed_teams() -> list[ListedTeam]:
    """With how many are in each: columns of a list."""
    query = select(Team.id, Team.name, Team.review_required, func.count(Membership.person_id))
    query = query.outerjoin(Membership, Membership.team_id == Team.id).group_by(Team.id).order_by(Team.name)
    return [ListedTeam(*row) for row in db.session.execute(query.limit(500))]


def open_invitations() -> list[Link]:
    query = select(Link).where(Link.purpose == Purpose.INVITATION, Link.used_at.is_(None)).order_by(Link.id.desc())
    return list(db.session.scalars(query.options(selectinload(Link.team)).limit(100)))


def find_invitation(link_id: int) -> Link:
    link = db.session.get(Link, link_id)
    if link is None or link.purpose != Purpose.INVITATION:
        raise NotFound("There is no such invitation.")
    return link


def sessions_of(person: Person) -> list[Session]:
    query = select(Session).where(Session.person_id == person.id, Session.expires_at > now())
    return list(db.session.scalars(query.order_by(Session.seen_at.desc()).limit(50)))


def has_people() -> bool:
    return db.session.scalar(select(Person.id).limit(1)) is not None


def find_team(team_id: int) -> Team:
    team = db.session.get(Team, team_id)
    if team is None:
        raise NotFound("There is no such team.")
    return team


MOST_MEMBERS = 5000


def members_of(team_ids: set[int]) -> list[Person]:
    """All who are in any of these teams."""
    query = select(Person).join(Membership, Membership.person_id == Person.id).where(Membership.team_id.in_(team_ids))
    return list(db.session.scalars(query.order_by(Person.id).distinct().limit(MOST_MEMBERS)))
