"""Analytics: for admins and auditors every API, operation, application and node; for developers their applications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..apis.queries import version_by_name, version_choices
from ..applications.queries import by_client_ids, own_applications
from ..db import now
from ..gateway.queries import node_names
from ..runtime import runtime
from ..web.access import me, requires
from ..web.htmx import render
from . import analytics
from .analytics import Answers, By, Key, Only, Sums
from .called import CalledVersion, look_up
from .completeness import gaps
from .days import last_hours

blueprint = Blueprint("analytics", __name__)
P = Permission
RANGES = {"1h": 1, "24h": 24, "7d": 7 * 24, "30d": 30 * 24, "90d": 90 * 24}
OF_LOGS = {"1h": "1h", "24h": "24h", "7d": "7d"}  # the log page's word for a range; it goes back 30 days
ROWS = 50


@dataclass(frozen=True)
class Named:
    """What a key is to people: ``url`` is its page, ``calls`` its records."""

    name: str
    about: str = ""
    url: str = ""
    calls: str = ""


@dataclass(frozen=True)
class Asked:
    range: str
    by: By
    api: str
    clients: frozenset[str] | None  # None: who asks may see everybody's

    @property
    def only(self) -> Only:
        version = version_by_name(self.api) if self.api else None
        return Only(frozenset({version.id if version else -1}) if self.api else None, self.clients)

    def address(self, **other: str) -> str:
        said = {"range": self.range, "by": str(self.by), "api": self.api} | other
        return f"{url_for('analytics.index')}?{urlencode({name: value for name, value in said.items() if value})}"


def read() -> Asked:
    everything = me().may(P.READ_LOGS)
    chosen, by = request.args.get("range", ""), request.args.get("by", "")
    return Asked(
        range=chosen if chosen in RANGES else "24h",
        by=By(by) if by in ways(everything) else By.API if everything else By.APPLICATION,
        api=request.args.get("api", "").strip()[:120],
        clients=None if everything else frozenset(a.client_id for a in own_applications(me())),
    )


def ways(everything: bool) -> list[By]:
    """By country only where countries are known."""
    known = [by for by in By if by != By.COUNTRY or runtime().config.geoip_file]
    return known if everything else [By.APPLICATION, By.API, By.STATUS]


@blueprint.get("/analytics")
@requires(P.READ_APPLICATIONS)
def index() -> Response:
    asked = read()
    only, span = asked.only, last_hours(RANGES[asked.range], now())
    with runtime().logs.at_one_moment() as connection:
        current = Answers(connection, span, only)
        total, total_before = current.whole_and_before()
        sums, sums_before = current.sums_and_before(asked.by)
        busiest = dict(list(sums.items())[:ROWS])
        current.time(asked.by, busiest)
        buckets = current.over_time()
        missing = gaps(span.since, span.until) if asked.clients is None else []
    moved = analytics.movers(sums, sums_before)
    named = _named(asked, {*busiest, *(key for key, _ in moved)})
    return render(
        "analytics/index.html",
        asked=asked,
        ranges=list(RANGES),
        ways=ways(asked.clients is None),
        versions=version_choices() if asked.clients is None else [],
        span=span,
        buckets=buckets,
        gaps=missing,
        node_names=node_names() if missing else {},
        calls=_calls(asked),
        total=total,
        before=total_before,
        growth=analytics.change(total.requests, total_before.requests),
        rows=[
            {"of": named[key], "sums": one, "growth": _growth(one, sums_before.get(key))}
            for key, one in busiest.items()
            if key in named
        ],
        movers=[{"of": named[key], "by": by} for key, by in moved if key in named],
    )


def _growth(sums: Sums, before: Sums | None) -> float | None:
    return analytics.change(sums.requests, before.requests if before else 0)


def _calls(asked: Asked, **filters: str) -> str:
    """The records that figures are made of; a developer's are on the pages of her applications."""
    if asked.clients is not None:
        return ""
    said = {"range": OF_LOGS.get(asked.range, "30d"), "api": asked.api} | filters
    return f"{url_for('logs.index')}?{urlencode({name: value for name, value in said.items() if value})}"


def _named(asked: Asked, keys: set[Key]) -> Mapping[Key, Named]:
    """Without those that are no more."""
    if asked.by == By.API:
        return {key: _of_version(asked, one) for key, one in look_up(keys - {0}, ()).versions.items()}
    if asked.by == By.OPERATION:
        versions = look_up({version_id for version_id, _ in keys}, ()).versions
        return {key: _of_operation(asked, versions[key[0]], key[1]) for key in keys if key[0] in versions}
    if asked.by == By.APPLICATION:
        return {key: _of_application(asked, one) for key, one in by_client_ids(keys).items()}
    if asked.by == By.NODE:
        known = node_names()
        return {k: Named(known.get(k, f"node {k}"), "", "", _calls(asked, node=str(k))) for k in keys}
    if asked.by == By.COUNTRY:
        return {k: Named(k, "", "", _calls(asked, country=k)) for k in keys}
    return {k: Named(f"{k}xx", "", "", _calls(asked, status=f"{k}xx")) for k in keys}


def _of_version(asked: Asked, version: CalledVersion) -> Named:
    page = "apis.show" if asked.clients is None else "catalog.show"
    here = url_for(page, slug=version.slug, number=version.number)
    return Named(version.name, "", here, _calls(asked, api=version.label))


def _of_operation(asked: Asked, version: CalledVersion, operation: str) -> Named:
    return Named(operation, version.name, "", _calls(asked, api=version.label, operation=operation))


def _of_application(asked: Asked, application: Any) -> Named:
    calls = url_for("logs.of_application", application_id=application.id, range=OF_LOGS.get(asked.range, "30d"))
    return Named(
        application.name, application.team.name, url_for("applications.show", application_id=application.id), calls
    )
