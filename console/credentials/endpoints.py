"""What machines tell about credentials: secret scanners report what they found in the open."""

from __future__ import annotations

from ..tokens.errors import OAuthError
from ..tokens.grants import parse_form
from ..web.machine import Answer, Asked, Route, json_answer, problem_answer
from .leaked import report_leak


def report(asked: Asked) -> Answer:
    """``credential=...`` as a form. The answer says whether it is one in use here, and nothing about it: whoever sends it
    has it already, and could learn as much by using it."""
    try:
        form = parse_form(asked.body(), asked.content_type)
    except OAuthError as error:
        return problem_answer(400, "Bad Request", error.message)
    if "credential" not in form:
        return problem_answer(400, "Bad Request", "Send the suspected key as the form parameter credential.")
    return json_answer({"reported": report_leak(form["credential"])})


ROUTES = [Route("POST", "/leaks/report", "nobody", report)]
