"""What a person sees when something is refused or broke: what happened, and what to do."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Flask, g, render_template, request
from flask.typing import ResponseReturnValue as Answer
from sqlalchemy.exc import DataError
from werkzeug.exceptions import HTTPException

from ..db import db
from ..errors import Refused
from . import problems
from .access import local_path
from .htmx import wants_part

log = structlog.get_logger("web")

WORDS = {
    400: ("That request cannot be read", "Go back and try again."),
    401: ("You are not signed in", "Sign in and try again."),
    403: ("You may not do that", "Ask an admin if you need it."),
    404: ("There is nothing here", "It may have been removed, or the address is wrong."),
    405: ("That is not how this works", "Use the buttons of the page."),
    409: ("That was not done", ""),
    413: ("That is too large", "Documents may have 10 MB at most."),
    422: ("That cannot be accepted", ""),
    500: ("Something broke here", "It was logged with the number below. Nothing was saved. Try again in a moment."),
}


def install(app: Flask) -> None:
    app.register_error_handler(Refused, refused)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(DataError, unstorable)
    app.register_error_handler(OverflowError, unstorable)
    app.register_error_handler(Exception, broken)


def refused(error: Refused) -> Answer:
    db.session.rollback()
    if problems.wanted():
        return problems.of_refused(error)
    return page(error.status, error.message)


def http_error(error: HTTPException) -> Answer:
    db.session.rollback()
    if problems.wanted():
        return problems.of_http(error)
    return page(error.code or 500)


def unstorable(error: Exception) -> Answer:
    """A number or a text that no database column holds, such as 10^30 or NUL; nobody has such a thing."""
    db.session.rollback()
    log.warning("request.unstorable", path=request.path, error=type(error).__name__)
    if problems.wanted():
        return problems.problem(400, "This request holds a number or a character that cannot be stored.")
    return page(400)


def broken(error: Exception) -> Answer:
    db.session.rollback()
    log.exception("request.failed", path=request.path, error=type(error).__name__)
    if problems.wanted():
        return problems.problem(500, "Something broke here. It was logged under X-Request-Id, and nothing was saved.")
    return page(500)


def page(status: int, message: str = "") -> tuple[str, int]:
    title, advice = WORDS.get(status, WORDS[500])
    template = "_refusal.html" if wants_part() else "error.html"
    back = local_path(_path_of(request.referrer)) if request.referrer else "/"
    context: dict[str, Any] = {"status": status, "title": title, "message": message or advice, "back": back}
    return render_template(template, request_id=g.get("request_id", ""), **context), status


def _path_of(url: str | None) -> str:
    if not url or not url.startswith(request.host_url):
        return "/"
    return "/" + url.removeprefix(request.host_url)
