"""Page or part: the one place that knows how htmx asks."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, make_response, render_template, request
from flask_htmx import HTMX

htmx = HTMX()


def install(app: Flask) -> None:
    htmx.init_app(app)


def wants_part() -> bool:
    """htmx 4 says in HX-Request-Type whether it swaps a part or the whole page."""
    return bool(htmx) and request.headers.get("HX-Request-Type", "partial") == "partial"


def render(page: str, *, part: str = "", status: int = 200, **context: Any) -> Response:
    """The page, or only its ``part`` when htmx asks for a part."""
    template = part if part and wants_part() else page
    response = make_response(render_template(template, **context), status)
    if part:
        response.vary.update(["HX-Request", "HX-Request-Type"])  # else the back button shows the bare part
    return response


def secret_page(page: str, **context: Any) -> Response:
    """A page that shows a secret once: no cache keeps it."""
    response = render(page, **context)
    response.headers["Cache-Control"] = "no-store"
    return response
