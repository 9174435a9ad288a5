"""Applications and subscriptions as a file wants them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from ..accounts.models import Permission, Team
from ..accounts.queries import teams_of
from ..applications.actions import (
    approve_subscription,
    close_subscription,
    create_application,
    date_subscription,
    move_subscription,
    pause_subscription,
    resume_subscription,
    subscribe,
)
from ..applications.models import OPEN_STATES, Application, Subscription, SubscriptionState
from ..applications.plans import find_plan
from ..db import db
from ..errors import Denied, Refused
from .endings import moment
from .reading import File, Pointer
from .schema import SIDES
from .versions import find
from .work import Work, differs

Said = dict[str, Any]
S = SubscriptionState


def settle_application(work: Work, file: File, pointer: Pointer, said: Said, team: Team) -> None:
    with file.at(*pointer):
        application = _application(work, said, team)
    for index, wanted in enumerate(said.get("subscriptions", [])):
        with file.at(*pointer, "subscriptions", index):
            _settle(work, application, wanted)


def _application(work: Work, said: Said, team: Team) -> Application:
    name = said["application"]
    query = select(Application).where(Application.team_id == team.id, Application.name == name)
    application = db.session.scalars(query).first()
    if application is None:
        work.needs(Permission.USE_APPLICATIONS)
        if team not in teams_of(work.by):
            raise Denied(f"{work.by.email} is not in the team {team.name}.")
        work.say(name, f"create, owned by {team.name}")
        return create_application(name, said.get("description", ""), team, by=work.by)
    if said.get("description", application.description) != application.description:
        raise Refused(
            f"The description of {name} is {application.description!r} and is not changed by a file. Write that, or leave "
            "it out.",
            "description",
        )
    return application


def _settle(work: Work, application: Application, said: Said) -> None:
    version = find(said["api"], said["version"])
    if version is None:
        raise Refused(f"There is no version {said['version']} of {said['api']}.", "version")
    about = f"{application.name}: subscription to {said['api']}@{said['version']}"
    query = select(Subscription).where(
        Subscription.application_id == application.id,
        Subscription.version_id == version.id,
        Subscription.state.in_(OPEN_STATES),
    )
    found = db.session.scalars(query).first()
    if said["state"] == S.CLOSED:
        _close(work, found, said, about)
        return
    if found is None:
        work.needs(Permission.USE_APPLICATIONS)
        plan = find_plan(version, said["plan"]) if "plan" in said else None
        found = subscribe(application, version, said.get("message", ""), by=work.by, plan=plan)
        work.say(about, f"ask for the plan {found.plan.name if found.plan else 'standard'}")
    _bring(work, found, said, about)


def _close(work: Work, found: Subscription | None, said: Said, about: str) -> None:
    if found is not None:
        work.needs(Permission.DECIDE_SUBSCRIPTIONS)
        close_subscription(found, by=work.by, reason=said.get("reason", ""))
        work.say(about, "close")


def _bring(work: Work, found: Subscription, said: Said, about: str) -> None:
    """To what is wanted, step by step."""
    if said["state"] == S.PENDING:
        if found.state != S.PENDING:
            raise Refused(
                f"It is {found.state}: a decision is not taken back. Write that, or `state: closed`.", "state"
            )
        _check_plan(found, said)
        return
    ends = said.get("expires_at")
    expires_at = moment(ends, "expires_at") if ends else None
    if found.state == S.PENDING:
        _check_plan(found, said)
        work.needs(Permission.DECIDE_SUBSCRIPTIONS)
        approve_subscription(found, by=work.by, expires_at=expires_at)
        work.say(about, f"approve, until {expires_at:%d %B %Y}" if expires_at else "approve")
    _terms(work, found, said, expires_at, about)
    _pauses(work, found, said, about)


def _check_plan(found: Subscription, said: Said) -> None:
    if found.plan is not None and said.get("plan", found.plan.name) != found.plan.name:
        raise Refused(f"It was asked for with the plan {found.plan.name}. Close it first, or write that.", "plan")


def _terms(work: Work, found: Subscription, said: Said, expires_at: datetime | None, about: str) -> None:
    if "plan" in said and (found.plan is None or found.plan.name != said["plan"]):
        work.needs(Permission.DECIDE_SUBSCRIPTIONS)
        before = found.plan.name if found.plan else ""
        move_subscription(found, find_plan(found.version, said["plan"]), by=work.by)
        work.say(about, differs("plan", before, said["plan"]))
    if found.expires_at != expires_at and "expires_at" in said:
        work.needs(Permission.DECIDE_SUBSCRIPTIONS)
        was = found.expires_at
        date_subscription(found, expires_at, by=work.by)
        work.say(about, differs("expires_at", was, expires_at))


def _pauses(work: Work, found: Subscription, said: Said, about: str) -> None:
    wanted = said.get("paused_by", ["owner"]) if said["state"] == S.PAUSED else []
    for side in SIDES:
        is_owner = side == "owner"
        is_paused = (found.paused_by_owner_at if is_owner else found.paused_by_consumer_at) is not None
        if (side in wanted) == is_paused:
            continue
        work.needs(Permission.DECIDE_SUBSCRIPTIONS if is_owner else Permission.USE_APPLICATIONS)
        if is_paused:
            resume_subscription(found, by=work.by, as_owner=is_owner)
            work.say(about, f"resume, as the {side}")
        else:
            pause_subscription(found, said.get("reason", ""), by=work.by, as_owner=is_owner)
            work.say(about, f"pause, as the {side}")
