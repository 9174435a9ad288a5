"""What the first page tells: the way to the first call, and what needs somebody."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import url_for
from sqlalchemy import func, select

from ..accounts.models import Link, Person, Purpose, Role
from ..apis.models import ApiVersion, State
from ..apis.queries import names
from ..applications.models import Subscription, SubscriptionState
from ..applications.queries import own_applications
from ..db import db, now
from ..gateway.models import Node
from ..gateway.queries import nodes
from ..logs import search
from ..logs.completeness import gaps
from ..logs.question import Question
from ..logs.traffic import Traffic, has_traffic
from ..logs.upkeep import is_nearly_full, unarchived_because
from ..web.filters import distance, plural
from .notices import Notice, credential, ending_for, notice_of
from .waiting import troubled_credentials, waiting


@dataclass(frozen=True)
class Step:
    text: str
    url: str
    done: bool


def steps(sums: dict[int, Traffic]) -> list[Step]:
    """From nothing to the first call, in order. ``sums``: of the time that the page shows."""
    called = any(sums) or has_traffic()  # 0: no API has that path
    looked_for = (
        select(Node.id).where(Node.seen_at.is_not(None)),
        select(ApiVersion.id),
        select(ApiVersion.id).where(ApiVersion.published_at.is_not(None)),
        select(Link.id).where(Link.purpose == Purpose.INVITATION),
        select(Person.id).where(Person.role == Role.DEVELOPER),
        select(Subscription.id).where(Subscription.state == SubscriptionState.ACTIVE),
    )
    found = db.session.execute(select(*(query.exists() for query in looked_for))).one()
    connected, imported, published, invited, joined, approved = map(bool, found)
    return [
        Step("Connect a gateway node", url_for("gateway.index"), connected),
        Step("Import an OpenAPI document", url_for("apis.new"), imported),
        Step("Publish your first API", url_for("apis.index"), published),
        Step("Invite a developer", url_for("people.invite_form"), invited or joined),
        Step("Approve a subscription", url_for("approvals.index"), approved),
        Step("See the first call in the log", url_for("logs.index"), called),
    ]


def attention(person: Person, of_day: dict[int, Traffic]) -> list[Notice]:
    """What waits for somebody, the worst first; at most eight. ``of_day``: the last 24 hours' calls."""
    known = nodes()
    rows = waiting(person)
    firing = [row for row in rows if row.kind == "firing"]
    found = [
        *_nodes_in_trouble(known),
        *(notice_of(row, of_day) for row in firing),
        *_owed_records(known),
        *_full_logs(),
        *_unarchived_logs(),
        *(notice_of(row, of_day) for row in rows[len(firing) :]),
    ]
    return found[:8]


def _nodes_in_trouble(known: list[Node]) -> list[Notice]:
    out = []
    for node in known:
        url = url_for("gateway.show", node_id=node.id)
        if node.state == "rejected":
            text = f"It still serves the one before. {node.error.splitlines()[0][:120] if node.error else ''}"
            out.append(
                Notice("bad", "server", f"{node.name} rejected the newest configuration", text, "See the error", url)
            )
        elif node.is_silent:
            since = f"Last heard of {distance(now() - node.seen_at)} ago." if node.seen_at else "Never heard of."
            what = f"{node.name} is silent"
            out.append(Notice("warn", "server", what, f"{since} It keeps serving what it has.", "Look at it", url))
    return out


def _owed_records(known: list[Node]) -> list[Notice]:
    """Of the last hour, each node once."""
    called = {node.id: node.name for node in known}
    owed = Counter[int]()
    for one in gaps(now() - timedelta(hours=1), now()):
        owed[one.node_id] += one.missing
    return [
        Notice(
            "warn",
            "scroll-text",
            f"{called[node_id]} owes {plural(missing, 'record')}",
            "It answered more requests in the last hour than it sent records of. Figures of that time may rise.",
            "Look at it",
            url_for("gateway.show", node_id=node_id),
        )
        for node_id, missing in owed.items()
        if node_id in called
    ]


def _full_logs() -> list[Notice]:
    if not is_nearly_full():
        return []
    text = "The oldest days are dropped when it is used up. Raise GATEWRIGHT_LOGS_BUDGET_MB, or export what you need."
    return [
        Notice(
            "warn",
            "gauge",
            "The disk budget of the request log is nearly used up",
            text,
            "Look at it",
            url_for("logs.index"),
        )
    ]


def _unarchived_logs() -> list[Notice]:
    because = unarchived_because()
    if not because:
        return []
    text = f"So none is dropped for its age, and the disk fills. {because}"
    url = url_for("home.settings")
    return [Notice("bad", "archive", "Old request records cannot be archived", text, "See the settings", url)]


def total(sums: dict[int, Traffic]) -> Traffic:
    return Traffic(
        sum(t.requests for t in sums.values()),
        sum(t.errors for t in sums.values()),
        sum(t.refused for t in sums.values()),
        sum(t.duration_us for t in sums.values()),
    )


def busiest(sums: dict[int, Traffic], size: int = 6) -> list[tuple[ApiVersion, Traffic]]:
    top = sorted(((n, t) for n, t in sums.items() if n), key=lambda item: -item[1].requests)[:size]
    known = names({n for n, _ in top})
    return [(known[n], t) for n, t in top if n in known]


def developer(person: Person) -> dict[str, Any]:
    """A developer's first page: her applications, and how far she has come."""
    mine = own_applications(person, with_versions=True)
    open_ = [
        s for a in mine for s in a.subscriptions if s.state in (SubscriptionState.ACTIVE, SubscriptionState.PENDING)
    ]
    active = [s for s in open_ if s.is_active]
    clients = frozenset(a.client_id for a in mine)
    recent = search.newest(Question(client_ids=clients), size=6) if clients else []
    first = mine[0] if mine else None
    ready = (
        url_for("applications.show", application_id=active[0].application_id) if active else url_for("catalog.index")
    )
    way = [
        Step("Create an application", url_for("applications.new"), bool(mine)),
        Step("Subscribe it to an API", url_for("catalog.index"), bool(open_)),
        Step(
            "Have the subscription approved",
            url_for("applications.show", application_id=first.id) if first else url_for("catalog.index"),
            bool(active),
        ),
        Step("Get a token and call", ready, bool(recent)),
    ]
    count = db.session.scalar(select(func.count()).select_from(ApiVersion).where(ApiVersion.state == State.PUBLISHED))
    return {
        "applications": mine,
        "subscriptions": open_,
        "recent": recent,
        "steps": way,
        "published": count or 0,
        "attention": [*ending_for(mine), *map(credential, troubled_credentials(person.team_ids))][:8],
    }
