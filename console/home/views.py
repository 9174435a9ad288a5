"""The first page: what to do next, what needs somebody, and what the traffic does. And what is no domain's own."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import text

from ..accounts.models import Permission
from ..audit.queries import latest
from ..config import SETTINGS
from ..db import db, now
from ..errors import Denied
from ..logs.histogram import histogram
from ..logs.question import Question
from ..logs.traffic import seen
from ..runtime import runtime
from ..web.access import is_loopback, me, requires
from ..web.htmx import render
from ..web.metrics import exposition
from . import queries

blueprint = Blueprint("home", __name__)
P = Permission
RANGES = {"1h": 1, "24h": 24, "7d": 7 * 24, "30d": 30 * 24}


@blueprint.get("/")
@requires(P.SIGNED_IN)
def overview() -> Any:
    if not me().may(P.READ_LOGS):
        return render("home/developer.html", **queries.developer(me()))
    chosen = request.args.get("range", "24h")
    hours = RANGES.get(chosen, 24)
    until = now()
    since = until - timedelta(hours=hours)
    calls = seen(hours)
    context: dict[str, Any] = {
        "steps": queries.steps(calls.by_version) if me().may(P.MANAGE_APIS) else [],
        "attention": queries.attention(me(), calls.of_day),
        "buckets": histogram(Question(), since, until, calls.hours if hours > 1 else None),
        "since": since,
        "until": until,
        "ranges": list(RANGES),
        "range": chosen if chosen in RANGES else "24h",
        "total": queries.total(calls.by_version),
        "busiest": queries.busiest(calls.by_version),
        "latest": latest() if me().may(P.READ_AUDIT) else [],
    }
    return render("home/overview.html", **context)


@blueprint.get("/settings")
@requires(P.READ_SETTINGS)
def settings() -> Any:
    config = runtime().config
    shown = {}
    for setting in SETTINGS:
        value = getattr(config, setting.name)
        value = "" if value is None else value
        shown[setting] = (
            ("set" if value else "") if setting.secret else ", ".join(value) if isinstance(value, tuple) else str(value)
        )
    return render("home/settings.html", shown=shown, config=config)


@blueprint.get("/healthz")
@requires(P.PUBLIC)
def healthz() -> Response:
    """The process answers."""
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
@requires(P.PUBLIC)
def readyz() -> Response:
    """Both databases answer."""
    for name, look in (("database", _database), ("logs", runtime().logs.ready)):
        try:
            look()
        except Exception:  # whatever it is, this process should get no requests
            return Response(f"{name} does not answer\n", 503, mimetype="text/plain")
    return Response("ready\n", mimetype="text/plain")


def _database() -> None:
    db.session.execute(text("SELECT 1 FROM generation"))


@blueprint.get("/metrics")
@requires(P.PUBLIC)
def metrics() -> Response:
    """Prometheus text. With a token from the settings, or from this machine when there is none."""
    wanted, given = runtime().config.metrics_token, request.headers.get("Authorization", "").removeprefix("Bearer ")
    allowed = hmac.compare_digest(wanted.encode(), given.encode()) if wanted else is_loopback(request.remote_addr or "")
    if not allowed:
        raise Denied("Metrics need the token of GATEWRIGHT_METRICS_TOKEN.")
    return Response(exposition(), mimetype="text/plain; version=0.0.4")
