"""The trail, to read and to take away."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import orjson
from flask import Blueprint, request, stream_with_context
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..db import db, will_write
from ..web.access import me, requires
from ..web.forms import asked_moment
from ..web.htmx import render, wants_part
from . import queries
from .actions import record
from .checkpoints import last_checkpoint, public_key, signed_by
from .export import lines, take_away
from .models import Action, AuditEntry
from .proof import key_id

blueprint = Blueprint("audit", __name__)
P = Permission
COLUMNS = (
    "id",
    "at",
    "actor",
    "action",
    "subject_kind",
    "subject_id",
    "subject",
    "changes",
    "address",
    "request_id",
    "session",
    "hash",
    "chain",
)


def _asked() -> queries.Question:
    names = ("text", "actor", "action", "kind", "address", "request_id", "session")
    said = {name: request.args.get(name, "").strip()[:100] for name in names}
    return queries.Question(**said, since=asked_moment("since"), until=asked_moment("until"))


@blueprint.get("/audit")
@requires(P.READ_AUDIT)
def index() -> Response:
    asked = _asked()
    found = queries.entries(asked, before=request.args.get("before", None, int))
    page = found[: queries.PAGE]
    more = page[-1].id if len(found) > len(page) else None
    context: dict[str, Any] = {"entries": page, "more": more, "asked": asked}
    around = {} if wants_part() else _offered() | {"proof": _proof()}
    return render("audit/index.html", part="audit/_rows.html", **context, **around)


def _offered() -> dict[str, Any]:
    """What the filters offer: actions by what they are done to, and kinds."""
    groups = {name: list(actions) for name, actions in groupby(sorted(Action), lambda a: a.split(".")[0])}
    return {"groups": groups, "kinds": queries.kinds()}


def _proof() -> dict[str, Any]:
    """What somebody needs who checks an export elsewhere."""
    public = public_key()
    return {"key": public, "kid": key_id(public), "last": last_checkpoint()}


@blueprint.get("/audit/<int:entry_id>")
@requires(P.READ_AUDIT)
def show(entry_id: int) -> Response:
    entry = db.get_or_404(AuditEntry, entry_id)
    return render("audit/show.html", entry=entry, signed=signed_by(entry.id))


@blueprint.get("/audit/export")
@requires(P.READ_AUDIT)
def export() -> Response:
    """Everything that is filtered, as CSV or NDJSON; that it was taken away is an entry itself."""
    asked, form = _asked(), export_format()
    db.session.rollback()
    will_write()
    record(Action.AUDIT_EXPORTED, None, by=me(), name="audit trail", changes=asked.parameters | {"format": form})
    db.session.flush()
    rows = stream_with_context(_ndjson(asked) if form == "ndjson" else _csv(asked))
    kind = "application/x-ndjson" if form == "ndjson" else "text/csv"
    return Response(rows, mimetype=kind, headers={"Content-Disposition": f'attachment; filename="audit.{form}"'})


@blueprint.get("/audit/proof")
@requires(P.READ_AUDIT)
def take_proof() -> Response:
    """The whole trail with its proof, for `gatewright audit check`."""
    db.session.rollback()
    will_write()
    rows = stream_with_context(lines(take_away(me())))
    headers = {"Content-Disposition": 'attachment; filename="audit-proof.ndjson"'}
    return Response(rows, mimetype="application/x-ndjson", headers=headers)


def export_format() -> str:
    return "ndjson" if request.args.get("format") == "ndjson" else "csv"


def _plain(entry: AuditEntry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in COLUMNS}


def _ndjson(asked: queries.Question) -> Iterator[bytes]:
    for entry in queries.all_entries(asked):
        yield orjson.dumps(_plain(entry), option=orjson.OPT_APPEND_NEWLINE)


def _csv(asked: queries.Question) -> Iterator[str]:
    yield _line(COLUMNS)
    for entry in queries.all_entries(asked):
        yield _line([cell(orjson.dumps(v).decode() if isinstance(v, dict) else v) for v in _plain(entry).values()])


def _line(values: object) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(values)  # type: ignore[arg-type]
    return out.getvalue()


def cell(value: object) -> object:
    """A spreadsheet would run a text that begins like a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(tuple("=+-@\t\r\n")) else value
