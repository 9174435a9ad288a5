"""Who calls a version, how its calls go down, and how its document compares with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import yaml
from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..applications.models import Application
from ..applications.queries import by_client_ids
from ..errors import NotFound, Refused
from ..logs import usage
from ..logs.undescribed import Undescribed
from ..logs.usage import OperationUsage
from ..runtime import runtime
from ..web.access import me, requires
from ..web.htmx import render
from . import openapi, queries
from .describing import describe_calls
from .models import ApiVersion
from .openapi import Operation
from .outlook import name_of, stack_of
from .reality import Reality, draft_of, reality
from .reviews import is_editable

blueprint = Blueprint("usage", __name__)
P = Permission
RANGES = (30, 90)
MOST_SHOWN, MOST_LISTED = 200, 50


@dataclass(frozen=True)
class Caller:
    """One who is left. ``application`` is None for who is none of ours, or no more."""

    name: str
    application: Application | None
    requests: int
    last_at: datetime


@dataclass(frozen=True)
class Missing:
    """Calls that are not described, and what would describe them; empty where nothing does."""

    calls: Undescribed
    draft: str = field(default="")


@blueprint.get("/apis/<slug>/<number>/usage")
@requires(P.READ_APIS)
def show(slug: str, number: str) -> Response:
    with runtime().logs.at_one_moment():
        return _page(queries.find_version(slug, number, whole=True))


def _page(version: ApiVersion) -> Response:
    days = _days()
    callers = usage.callers(version.id, days=days)
    layers = usage.burn_down(version.id, days)
    known = by_client_ids({one.client_id for one in callers.biggest} - {""})
    compared = _compared(version, days)
    rows, more = operation_rows(version.document, usage.operation_usage(version.id, days))
    return render(
        "apis/usage.html",
        version=version,
        days=days,
        ranges=RANGES,
        stack=stack_of(version, layers, days, known),
        callers=callers,
        left=[_caller(one, known) for one in callers.biggest],
        last_at=callers.last_at or usage.last_call(version.id, not_within=days),
        since=_since(callers.counted_since, days),
        rows=rows,
        more=more,
        reality=compared,
        missing=[_missing(one, version.document) for one in compared.undescribed[:MOST_LISTED]],
        listed=MOST_LISTED,
        may_describe=bool(compared.undescribed) and me().may(P.MANAGE_APIS) and is_editable(version),
    )


@blueprint.post("/apis/<slug>/<number>/usage/describe")
@requires(P.MANAGE_APIS)
def describe(slug: str, number: str) -> Response:
    """Put what would describe these calls into the document that is worked on."""
    version, asked = queries.find_version(slug, number), (request.form.get("method"), request.form.get("path"))
    calls = next((one for one in _compared(version, _days()).undescribed if (one.method, one.path) == asked), None)
    if calls is None:
        raise NotFound("There are no such calls any more that the document does not describe.")
    drafted = describe_calls(version, calls, edits=request.form.get("edits", 0, type=int), by=me())
    flash("It is in the document. Say what it does: the draft knows its path and its answers only.", "ok")
    return redirect(url_for("design.operation", slug=slug, number=number, method=drafted.method, path=drafted.path))


def _days() -> int:
    chosen = request.args.get("days", "")
    return int(chosen) if chosen in map(str, RANGES) else RANGES[0]


def _compared(version: ApiVersion, days: int) -> Reality:
    return reality(version.document, version.id, days, prefix=version.gateway_path or "")


def _since(since: date | None, days: int) -> date | None:
    """The day on which counting began, where it lies within the days that are shown."""
    return since if since and since >= usage.first_day(days) else None


def _caller(one: usage.Caller, known: Mapping[str, Application]) -> Caller:
    return Caller(name_of(one.client_id, known), known.get(one.client_id), one.requests, one.last_at)


def operation_rows(
    document: dict[str, Any], found: Mapping[usage.Operation, OperationUsage]
) -> tuple[list[tuple[Operation, OperationUsage | None]], int]:
    """Operations, the busiest first and those without calls last; at most `MOST_SHOWN`, and how many more there are."""
    every = [(o, found.get((o.method.upper(), o.path))) for o in openapi.operations(document)]
    every.sort(key=lambda row: -(row[1].requests if row[1] else 0))
    return every[:MOST_SHOWN], max(0, len(every) - MOST_SHOWN)


def _missing(one: Undescribed, document: dict[str, Any]) -> Missing:
    try:
        path, method, operation = draft_of(one, document)
    except Refused:
        return Missing(one)
    return Missing(one, yaml.safe_dump({path: {method: operation}}, sort_keys=False, allow_unicode=True))
