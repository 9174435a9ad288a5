"""New records as they come, as server-sent events: the id of each is where a browser goes on after a break.

A stream ends by itself after half a minute, so that permission is asked again; and it takes a thread of a worker, so
there are only so many at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import tzinfo

from flask import Blueprint, Flask, current_app, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..applications.models import Application
from ..applications.queries import find_application
from ..db import db, now
from ..runtime import runtime
from ..web.access import me, requires
from ..web.zones import read_in, zone
from . import filters, search
from .naming import named_rows
from .question import Question
from .store import LAST_ID, id_at

blueprint = Blueprint("tail", __name__)
P = Permission
LASTS_S = 30.0
LOOKS_EVERY_S = 1.0
MOST_ROWS = 50  # in one look; what comes faster is in the log all the same
_counted = threading.Lock()
_tails = 0


@blueprint.get("/logs/tail")
@requires(P.READ_LOGS)
def tail() -> Response:
    return _stream(None)


@blueprint.get("/applications/<int:application_id>/logs/tail")
@requires(P.READ_APPLICATIONS)
def of_application(application_id: int) -> Response:
    return _stream(find_application(application_id, by=me()))


def _stream(only: Application | None) -> Response:
    if not _enter():
        return Response("Too many tails are open. Try again soon.", 503, {"Retry-After": "5"}, mimetype="text/plain")
    question = filters.question_of(filters.read(), only)
    here = url_for("logs.of_application", application_id=only.id) if only else url_for("logs.index")
    db.session.rollback()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    events = _events(app, question, here, _cursor(), zone())
    answer = Response(events, mimetype="text/event-stream", headers=headers)
    answer.call_on_close(_leave)
    return answer


def _events(app: Flask, question: Question, here: str, after: int, reader: tzinfo) -> Iterator[str]:
    """Between two looks nothing is held: each has a context, and so a session, of its own."""
    template = app.jinja_env.get_template("logs/_rows.html")  # it needs nothing of a request
    yield "retry: 1000\n\n"
    ends = time.monotonic() + LASTS_S
    while time.monotonic() < ends:
        with app.app_context(), read_in(reader):
            rows = search.since_record(question, after, size=MOST_ROWS)
            page = template.render(rows=named_rows(rows[::-1]), here=here) if rows else ""
        if rows:
            after = rows[-1].id
            yield f"id: {after}\ndata: {page.replace(chr(10), ' ')}\n\n"
        else:
            yield ": nothing new\n\n"
        time.sleep(LOOKS_EVERY_S)


def _cursor() -> int:
    """Where to go on: after the last record that this browser saw, else from now."""
    said = request.headers.get("Last-Event-ID") or request.args.get("after", "")
    return min(int(said), LAST_ID) if said.isascii() and said.isdecimal() and len(said) < 20 else id_at(now())


def _enter() -> bool:
    global _tails
    with _counted:
        if _tails >= max(1, runtime().config.threads // 2):
            return False
        _tails += 1
        return True


def _leave() -> None:
    global _tails
    with _counted:
        _tails -= 1
