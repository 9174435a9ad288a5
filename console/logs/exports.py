"""What is filtered as a file: newest first, as CSV or NDJSON, streamed page by page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson
from flask import Blueprint, stream_with_context
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..audit.actions import record as write_down
from ..audit.models import Action
from ..audit.views import cell, export_format
from ..db import db, will_write
from ..web.access import me, requires
from . import filters, search
from .formats import NAMES
from .naming import NamesOfMany
from .question import Question

blueprint = Blueprint("exports", __name__)
PAGE = 1000
P = Permission


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
    called, rows = NamesOfMany(), search.export(question)
    while page := list(islice(rows, PAGE)):
        called.learn(page)
        for r in page:
            yield called.of(r) | {"id": str(r.id)}  # 63 bits do not fit JavaScript


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
