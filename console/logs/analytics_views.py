"""Analytics: for admins and auditors every API and application; for developers their own applications."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..apis.queries import names
from ..applications.queries import by_client_ids, own_applications
from ..db import now
from ..web.access import me, requires
from ..web.htmx import render
from . import analytics
from .analytics import Span, Sums

blueprint = Blueprint("analytics", __name__)
P = Permission
RANGES = {"1h": 1, "24h": 24, "7d": 7 * 24, "30d": 30 * 24, "90d": 90 * 24}
ROWS = 50


@blueprint.get("/analytics")
@requires(P.READ_APPLICATIONS)
def index() -> Response:
    chosen = request.args.get("range", "24h")
    chosen = chosen if chosen in RANGES else "24h"
    span = analytics.last_hours(RANGES[chosen], now())
    everything = me().may(P.READ_LOGS)
    clients = None if everything else frozenset(a.client_id for a in own_applications(me()))
    context: dict[str, Any] = {
        "range": chosen,
        "ranges": list(RANGES),
        "span": span,
        "everything": everything,
        "buckets": analytics.over_time(span, clients),
        "applications": _applications(span, clients),
    }
    context |= _whole(span, clients) | ({"apis": _apis(span)} if everything else {"apis": []})
    return render("analytics/index.html", **context)


def _whole(span: Span, clients: frozenset[str] | None) -> dict[str, Any]:
    """All of it together, in this time and in the one before."""
    parts = [
        analytics.total((analytics.by_version(one) if clients is None else analytics.by_client(one, clients)).values())
        for one in (span, span.before)
    ]
    return {"total": parts[0], "before": parts[1], "growth": analytics.change(parts[0].requests, parts[1].requests)}


def _apis(span: Span) -> list[dict[str, Any]]:
    """By requests, the busiest first; with how that changed."""
    sums, before = analytics.by_version(span), analytics.by_version(span.before)
    busiest = sorted((n for n in sums if n), key=lambda n: -sums[n].requests)[:ROWS]
    known = names(set(busiest))
    return [
        {"version": known[n], "sums": sums[n], "growth": _growth(sums[n], before.get(n))} for n in busiest if n in known
    ]


def _applications(span: Span, clients: frozenset[str] | None) -> list[dict[str, Any]]:
    sums, before = analytics.by_client(span, clients), analytics.by_client(span.before, clients)
    busiest = sorted(sums, key=lambda c: -sums[c].requests)[:ROWS]
    known = by_client_ids(set(busiest))
    return [
        {"application": known[c], "sums": sums[c], "growth": _growth(sums[c], before.get(c))}
        for c in busiest
        if c in known
    ]


def _growth(sums: Sums, before: Sums | None) -> float | None:
    return analytics.change(sums.requests, before.requests if before else 0)
