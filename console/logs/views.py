"""The request log: for admins and auditors everything, for developers their applications' part."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..apis.models import ApiVersion
from ..apis.queries import names
from ..applications.models import Application
from ..applications.queries import by_client_ids, find_application
from ..errors import NotFound
from ..runtime import runtime
from ..web.access import me, requires
from ..web.forms import sent_twice
from ..web.htmx import render
from ..web.zones import local
from . import actions, explain, filters, letters, queries, search
from .body_tables import bodies_of
from .call_bodies import Body
from .completeness import gaps
from .facets import facets
from .filters import FILTERS, Asked
from .histogram import by_the_hour, histogram, hours_of
from .naming import Names, named_rows
from .question import Question
from .reading import note_reading
from .search import Found
from .store import moment_of

blueprint = Blueprint("logs", __name__)
P = Permission
MOST_FILTERS = 20


@blueprint.get("/logs")
@requires(P.READ_LOGS)
def index() -> Response:
    return _page(None)


@blueprint.get("/applications/<int:application_id>/logs")
@requires(P.READ_APPLICATIONS)
def of_application(application_id: int) -> Response:
    return _page(find_application(application_id, by=me()))


def _page(only: Application | None) -> Response:
    with runtime().logs.at_one_moment():
        return _answer(only)


def _answer(only: Application | None) -> Response:
    started, asked = time.perf_counter(), filters.read()
    question = filters.question_of(asked, only)
    before = request.args.get("before", 0, int)
    found = search.look(question, before=before)
    context: dict[str, Any] = {
        "more": str(found.older) if found.older else "",
        "looked_back_to": moment_of(found.older) if found.gave_up else None,
        "asked": asked,
        "only": only,
        "here": url_for("logs.of_application", application_id=only.id) if only else url_for("logs.index"),
    }
    if before and request.headers.get("HX-Request-Type") == "partial":
        return render("logs/_more.html", rows=named_rows(found.rows), **context)
    context |= _around(question, asked, only, found, is_first=not before)
    return render(
        "logs/index.html", part="logs/_answer.html", took_ms=(time.perf_counter() - started) * 1000, **context
    )


def _around(question: Question, asked: Asked, only: Application | None, found: Found, is_first: bool) -> dict[str, Any]:
    """The histogram, what the filters offer, and the searches that are kept."""
    since, until = map(local, asked.span)
    counted = _counted(found, since) if is_first else None
    hourly = None if counted is not None else by_the_hour(question, since, until)
    beside = {"hours": hourly, "rejected": None if only else letters.since(86400)}
    offered, more = facets(question, since, until, leave_out=_without(only, asked), beside=beside)
    called = Names(found.rows, offered)
    return {
        "rows": called.of_rows(),
        "facets": called.of_facets(offered, asked),
        "buckets": histogram(question, since, until, hours_of(more["hours"]) if "hours" in more else counted),
        "gaps": [] if only else gaps(since, until, question.node_ids),
        "node_names": called.nodes,
        "since": since,
        "until": until,
        "rejected": sum(count for _, count in more.get("rejected", [])),
        "saved": [] if only else queries.saved_searches(me()),
        "ranges": list(filters.RANGES),
    }


def _without(only: Application | None, asked: Asked) -> tuple[str, ...]:
    """Of the facets, those that say nothing here; operations say little without their API, and take long to count."""
    nothing = {
        "application": only is not None,
        "country": not runtime().config.geoip_file,
        "operation": not (asked.many["api"] or asked.many["operation"]),
    }
    return tuple(name for name, is_so in nothing.items() if is_so)


def _counted(found: Found, since: datetime) -> list[tuple[datetime, int, int]] | None:
    """When all that there are were found, nobody needs to look for them again to count them."""
    if not found.is_all:
        return None
    return [(at, r.status // 100, 1) for r in found.rows if (at := moment_of(r.id)) >= since]


@blueprint.get("/logs/<int:record_id>")
@requires(P.READ_LOGS)
def show(record_id: int) -> Response:
    return _record(record_id, None)


@blueprint.get("/applications/<int:application_id>/logs/<int:record_id>")
@requires(P.READ_APPLICATIONS)
def show_of_application(application_id: int, record_id: int) -> Response:
    return _record(record_id, find_application(application_id, by=me()))


def _record(record_id: int, only: Application | None) -> Response:
    with runtime().logs.at_one_moment():
        page, read = _record_page(record_id, only)
    note_reading(read, me(), {"record": str(record_id), "filters": _filters_before()})
    return page


def _record_page(record_id: int, only: Application | None) -> tuple[Response, Application | ApiVersion | None]:
    """And whose record it is."""
    question = Question(client_ids=frozenset({only.client_id}) if only else None)
    found = search.find_record(record_id, question)
    if found is None:
        raise NotFound("There is no such record; it may be older than logs are kept.")
    row = named_rows([found])[0]
    version = names({found.version_id}).get(found.version_id)
    here = url_for("logs.of_application", application_id=only.id) if only else url_for("logs.index")
    page = render(
        "logs/show.html",
        part="logs/_detail.html",
        row=row,
        story=explain.explain(found, version),
        only=only,
        here=here,
        related=_related(found, here),
        bodies=_bodies(record_id) if me().may(P.READ_LOGS) or (only and only.team_id in me().team_ids) else [],
    )
    return page, by_client_ids({found.client_id} - {""}).get(found.client_id) or version


def _bodies(record_id: int) -> list[tuple[str, Body]]:
    with runtime().logs.reading() as connection:
        request_body, response_body = bodies_of(connection, record_id)
    named = (("Request body", request_body), ("Response body", response_body))
    return [(title, body) for title, body in named if body.note]


def _related(record: Any, here: str) -> list[tuple[str, str]]:
    """Questions that a record leads to, with their addresses."""
    at = moment_of(record.id)
    around = {"since": at.timestamp() - 30, "until": at.timestamp() + 30}
    said = {name: f"{datetime.fromtimestamp(s, at.tzinfo):%Y-%m-%dT%H:%M:%SZ}" for name, s in around.items()}
    found = [("Calls within 30 s of it", said)]
    for words, name, value in (
        ("Same request id", "request_id", record.request_id),
        ("Same trace", "trace_id", record.trace_id),
        ("Same token" if record.credential != "key" else "Same key", "jti", record.jti),
        ("Same error", "reason", record.reason if record.status >= 400 and record.reason != "via_upstream" else ""),
        ("Same address", "address", record.client_address),
    ):
        if value:
            found.append((words, {name: value}))
    return [(words, f"{here}?{urlencode(query)}") for words, query in found]


def _filters_before() -> dict[str, str]:
    """Of the page that she came from, as her browser says."""
    try:
        address = urlsplit(request.headers.get("HX-Current-URL") or request.referrer or "")
    except ValueError:
        return {}
    if not address.path.endswith("/logs"):
        return {}
    return {name: value[:200] for name, value in parse_qsl(address.query)[:MOST_FILTERS] if name in FILTERS and value}


@blueprint.post("/logs/searches")
@requires(P.READ_LOGS)
def save_search() -> Response:
    query = request.form.get("filters", "")
    if not sent_twice():
        saved = actions.save_search(request.form.get("name", ""), query, by=me())
        flash(f"{saved.name} is kept for the team {saved.team.name}.", "ok")
        query = saved.filters
    return redirect(f"{url_for('logs.index')}?{query}")


@blueprint.post("/logs/searches/<int:search_id>/forget")
@requires(P.READ_LOGS)
def forget_search(search_id: int) -> Response:
    saved = queries.find_search(search_id, by=me())
    actions.forget_search(saved, by=me())
    flash(f"{saved.name} is no longer kept.", "ok")
    return redirect(url_for("logs.index"))
