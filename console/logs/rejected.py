"""The records that were rejected, with the reason, for those who read the request logs."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, request
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..gateway.queries import node_names
from ..runtime import runtime
from ..web.access import requires
from ..web.htmx import render
from . import letters

blueprint = Blueprint("rejected", __name__)
P = Permission


@blueprint.get("/logs/rejected")
@requires(P.READ_LOGS)
def index() -> Response:
    found = letters.newest(runtime().logs, before=max(request.args.get("before", 0, int), 0))
    page, names = found[: letters.PAGE], node_names()
    rows = [
        {"l": r, "at": datetime.fromtimestamp(r.at / 1e6, UTC), "node": names.get(r.node_id, f"node {r.node_id}")}
        for r in page
    ]
    more = page[-1].id if len(found) > len(page) else 0
    return render("logs/rejected.html", part="logs/_letters.html", rows=rows, more=more)
