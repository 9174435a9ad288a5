"""The trail, to read and to take away."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import orjson
from flask import Blueprint, request, stream_with_context
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..db import db, will_write
from ..web.access import me, requires
from ..web.htmx import render
from . import queries
from .actions import record
from .checkpoints import last_checkpoint, public_key
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
    "chain",
)


def _asked() -> dict[str, Any]:
    return {name: request.args.get(name, "").strip()[:100] for name in ("action", "actor", "subject")}


@blueprint.get("/audit")
@requires(P.READ_AUDIT)
def index() -> Response:
    asked = _asked()
    found = queries.entries(before=request.args.get("before", None, int), **asked)
    page = found[: queries.PAGE]
    more = page[-1].id if len(found) > len(page) else None
    context: dict[str, Any] = {"entries": page, "more": more, "asked": asked, "actions": list(Action)}
    return render("audit/index.html", part="audit/_rows.html", **context, proof=_proof())


def _proof() -> dict[str, Any]:
    """What somebody needs who checks an export elsewhere."""
    public = public_key()
    return {"key": public, "kid": key_id(public), "last": last_checkpoint()}


@blueprint.get("/audit/<int:entry_id>")
@requires(P.READ_AUDIT)
def show(entry_id: int) -> Response:
    entry = db.get_or_404(AuditEntry, entry_id)
    return render("audit/show.html", entry=entry)


@blueprint.get("/audit/export")
@requires(P.READ_AUDIT)
def export() -> Response:
    """Everything that is filtered, as CSV or NDJSON; that it was taken away is an entry itself."""
    asked, form = _asked(), export_format()
    db.session.rollback()
    will_write()
    record(Action.AUDIT_EXPORTED, None, by=me(), name="audit trail", changes=asked | {"format": form})
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


def _ndjson(asked: dict[str, Any]) -> Iterator[bytes]:
    for entry in queries.all_entries(**asked):
        yield orjson.dumps(_plain(entry), option=orjson.OPT_APPEND_NEWLINE)


def _csv(asked: dict[str, Any]) -> Iterator[str]:
    yield _line(COLUMNS)
    for entry in queries.all_entries(**asked):
        yield _line([cell(orjson.dumps(v).decode() if isinstance(v, dict) else v) for v in _plain(entry).values()])


def _line(values: object) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(values)  # type: ignore[arg-type]
    return out.getvalue()


def cell(value: object) -> object:
    """A spreadsheet would run a text that begins like a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(tuple("=+-@\t\r\n")) else value
