"""What is filtered as a file: newest first, as CSV or NDJSON, streamed page by page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import orjson
from flask import Blueprint, stream_with_context
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..apis.models import ApiVersion
from ..apis.queries import names
from ..applications.models import Application
from ..applications.queries import by_client_ids
from ..audit.actions import record as write_down
from ..audit.models import Action
from ..audit.views import cell, export_format
from ..db import db, will_write
from ..gateway.queries import node_names
from ..web.access import me, requires
from . import filters, search
from .question import Question
from .store import COLUMNS, moment_of

blueprint = Blueprint("exports", __name__)
P = Permission
NAMES = ("time", "api", "application", "node", *COLUMNS)


@blueprint.get("/logs/export")
@requires(P.READ_LOGS)
def export() -> Response:
    asked, form = filters.read(), export_format()
    question = filters.question_of(asked, None)
    db.session.rollback()
    will_write()
    write_down(Action.LOGS_EXPORTED, None, by=me(), name="request logs", changes=asked.parameters | {"format": form})
    db.session.flush()
    rows = stream_with_context(_ndjson(question) if form == "ndjson" else _csv(question))
    kind = "application/x-ndjson" if form == "ndjson" else "text/csv"
    return Response(rows, mimetype=kind, headers={"Content-Disposition": f'attachment; filename="requests.{form}"'})


def _records(question: Question) -> Iterator[dict[str, Any]]:
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


def _ndjson(question: Question) -> Iterator[bytes]:
    for said in _records(question):
        yield orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE)


def _csv(question: Question) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(NAMES)
    for said in _records(question):
        writer.writerow([cell(said[name]) for name in NAMES])
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    yield out.getvalue()
