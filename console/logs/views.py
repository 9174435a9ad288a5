"""The request log: for admins and auditors everything, for developers their applications' part."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from flask import Blueprint, request, stream_with_context, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..apis.models import ApiVersion
from ..apis.queries import all_versions, names, version_by_name
from ..applications.models import Application
from ..applications.queries import applications as visible_applications
from ..applications.queries import by_client_ids, find_application
from ..audit.actions import record as write_down
from ..audit.models import Action
from ..audit.views import cell, export_format
from ..db import db, now, will_write
from ..errors import NotFound
from ..gateway.queries import node_names
from ..runtime import runtime
from ..web.access import me, requires
from ..web.forms import asked_moment
from ..web.htmx import render
from . import explain, letters, search
from .reading import note_reading
from .store import COLUMNS, moment_of

blueprint = Blueprint("logs", __name__)
P = Permission
RANGES = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
FILTERS = ("api", "application", "method", "path", "request_id", "range", "status", "since", "until")
MOST_FILTERS = 20
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Asked:
    """The filters as the address says them."""

    api: str
    application: str
    classes: tuple[str, ...]
    method: str
    path: str
    request_id: str
    range: str
    since: datetime | None
    until: datetime | None

    @property
    def parameters(self) -> dict[str, Any]:
        """For links that keep the filters."""
        said = {"api": self.api, "application": self.application, "method": self.method, "path": self.path}
        said |= {"request_id": self.request_id, "range": self.range}
        said |= {name: f"{at:%Y-%m-%dT%H:%M:%S}" for name, at in (("since", self.since), ("until", self.until)) if at}
        return {k: v for k, v in said.items() if v} | ({"status": list(self.classes)} if self.classes else {})


def read_filters() -> Asked:
    args = request.args
    said = {
        name: args.get(name, "").strip()[:200]
        for name in ("api", "application", "method", "path", "request_id", "range")
    }
    classes = tuple(c for c in args.getlist("status") if c in search.CLASSES)
    return Asked(**said, classes=classes, since=asked_moment("since"), until=asked_moment("until"))


def question_of(asked: Asked, only: Application | None) -> search.Question:
    since, until = asked.since, asked.until
    if asked.range in RANGES and since is None:
        since = now() - RANGES[asked.range]
    version = version_by_name(asked.api) if asked.api else None
    clients = frozenset({only.client_id}) if only else frozenset({asked.application}) if asked.application else None
    return search.Question(
        since=since,
        until=until,
        version_ids=frozenset({version.id if version else -1}) if asked.api else None,
        client_ids=clients,
        classes=frozenset(asked.classes),
        method=asked.method,
        path=asked.path,
        request_id=asked.request_id,
    )


@blueprint.get("/logs")
@requires(P.READ_LOGS)
def index() -> Response:
    return _page(None)


@blueprint.get("/applications/<int:application_id>/logs")
@requires(P.READ_APPLICATIONS)
def of_application(application_id: int) -> Response:
    return _page(find_application(application_id, by=me()))


def _page(only: Application | None) -> Response:
    asked = read_filters()
    question = question_of(asked, only)
    before = request.args.get("before", 0, int)
    found = search.newest(question, before=before)
    rows = found[: search.PAGE]
    context: dict[str, Any] = {
        "rows": _named(rows),
        "more": str(rows[-1].id) if len(found) > len(rows) else "",
        "asked": asked,
        "only": only,
        "here": url_for("logs.of_application", application_id=only.id) if only else url_for("logs.index"),
    }
    if before and request.headers.get("HX-Request-Type") == "partial":
        return render("logs/_more.html", **context)
    return render("logs/index.html", part="logs/_results.html", **context, **_around(question, only))


def _around(question: search.Question, only: Application | None) -> dict[str, Any]:
    """The histogram, and what the filters offer."""
    until = question.until or now()
    since = question.since or until - timedelta(days=1)
    return {
        "rejected": 0 if only else letters.count_since(runtime().logs, 86400),
        "buckets": search.histogram(question, since, until),
        "since": since,
        "until": until,
        "versions": [s.version for s in only.subscriptions] if only else all_versions(),
        "applications": [] if only else visible_applications(me(), size=100),
        "methods": METHODS,
        "ranges": list(RANGES),
        "classes": list(search.CLASSES),
    }


def _named(rows: list[Any]) -> list[dict[str, Any]]:
    """Rows with the names that people know; three look-ups for all of them."""
    versions = names({r.version_id for r in rows})
    applications = by_client_ids({r.client_id for r in rows if r.client_id})
    nodes = node_names()
    return [
        {
            "r": r,
            "at": moment_of(r.id),
            "version": versions.get(r.version_id),
            "application": applications.get(r.client_id),
            "node": nodes.get(r.node_id, f"node {r.node_id}"),
        }
        for r in rows
    ]


@blueprint.get("/logs/<int:record_id>")
@requires(P.READ_LOGS)
def show(record_id: int) -> Response:
    return _record(record_id, None)


@blueprint.get("/applications/<int:application_id>/logs/<int:record_id>")
@requires(P.READ_APPLICATIONS)
def show_of_application(application_id: int, record_id: int) -> Response:
    return _record(record_id, find_application(application_id, by=me()))


def _record(record_id: int, only: Application | None) -> Response:
    question = search.Question(client_ids=frozenset({only.client_id}) if only else None)
    found = search.find_record(record_id, question)
    if found is None:
        raise NotFound("There is no such record; it may be older than logs are kept.")
    row = _named([found])[0]
    page = render("logs/show.html", part="logs/_detail.html", row=row, story=explain.explain(found), only=only)
    note_reading(row["application"] or row["version"], me(), {"record": str(record_id), "filters": _filters_before()})
    return page


def _filters_before() -> dict[str, str]:
    """Of the page that she came from, as her browser says."""
    try:
        address = urlsplit(request.headers.get("HX-Current-URL") or request.referrer or "")
    except ValueError:
        return {}
    if not address.path.endswith("/logs"):
        return {}
    return {name: value[:200] for name, value in parse_qsl(address.query)[:MOST_FILTERS] if name in FILTERS and value}


@blueprint.get("/logs/export")
@requires(P.READ_LOGS)
def export() -> Response:
    """What is filtered, newest first, as CSV or NDJSON."""
    asked, form = read_filters(), export_format()
    question = question_of(asked, None)
    db.session.rollback()
    will_write()
    write_down(Action.LOGS_EXPORTED, None, by=me(), name="request logs", changes=asked.parameters | {"format": form})
    db.session.flush()
    rows = stream_with_context(_ndjson(question) if form == "ndjson" else _csv(question))
    kind = "application/x-ndjson" if form == "ndjson" else "text/csv"
    return Response(rows, mimetype=kind, headers={"Content-Disposition": f'attachment; filename="requests.{form}"'})


NAMES = ("time", "api", "application", "node", *COLUMNS)


def _records(question: search.Question) -> Iterator[dict[str, Any]]:
    versions: dict[int, ApiVersion] = {}
    applications: dict[str, Application] = {}
    nodes = node_names()
    for r in search.export(question):
        if r.version_id not in versions:
            versions |= names({r.version_id})
        if r.client_id and r.client_id not in applications:
            applications |= by_client_ids({r.client_id})
        version, application = versions.get(r.version_id), applications.get(r.client_id)
        said = {"time": moment_of(r.id).isoformat(timespec="microseconds"), "api": version.name if version else ""}
        said |= {"application": application.name if application else "", "node": nodes.get(r.node_id, "")}
        yield said | {name: getattr(r, name) for name in COLUMNS} | {"id": str(r.id)}  # 63 bits do not fit JavaScript


def _ndjson(question: search.Question) -> Iterator[bytes]:
    for said in _records(question):
        yield orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE)


def _csv(question: search.Question) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(NAMES)
    for said in _records(question):
        writer.writerow([cell(said[name]) for name in NAMES])
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    yield out.getvalue()
