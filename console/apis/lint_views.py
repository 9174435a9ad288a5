"""What linting says of a version, and which rules a team goes by."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission, Team
from ..accounts.queries import teams_of
from ..db import release
from ..errors import NotFound
from ..web.access import me, requires
from ..web.htmx import render
from . import lint_queries, queries
from .lint import Report, Severity, all_rules
from .lint.report import advice
from .lint_actions import change_lint_rules
from .reviews import is_editable
from .working import working

blueprint = Blueprint("lint", __name__)
blueprint.add_app_template_filter(advice, "lint_advice")
P = Permission
TONES = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.HINT: "info"}
SHOWN = 20  # findings of a rule
ICONS = {Severity.ERROR: "circle-x", Severity.WARNING: "triangle-alert", Severity.HINT: "info"}


@blueprint.get("/apis/<slug>/<number>/lint")
@requires(P.READ_APIS)
def show(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    source, document, rules = version.source, version.document, lint_queries.rule_set(version.api.team)
    release()  # a large document takes seconds; nobody should wait for the database meanwhile
    report = lint_queries.report(source, document, rules)
    line = request.args.get("line", 0, type=int)
    version = queries.find_version(slug, number)
    context: dict[str, Any] = {
        "version": version,
        "report": report,
        "tone": tone(report),
        "switched_off": len(all_rules()) - len(rules.rules),
        "shown": SHOWN,
        "line": line,
        "excerpt": lint_queries.excerpt(source, line),
        "may_edit": me().may(P.MANAGE_APIS) and is_editable(version) and working(version).source == source,
    }
    return render("apis/lint.html", **context, **_words())


def tone(report: Report) -> str:
    return "ok" if report.score >= 80 else "warn" if report.score >= 50 else "bad"


def _words() -> dict[str, Any]:
    return {"severities": list(Severity), "tones": TONES, "icons": ICONS}


@blueprint.get("/apis/lint-rules")
@requires(P.MANAGE_APIS)
def rules() -> Response:
    teams = teams_of(me())
    team = _team(teams, request.args.get("team", 0, type=int) or (teams[0].id if teams else 0))
    groups = [{"name": name, "rules": list(of)} for name, of in groupby(all_rules(), key=lambda rule: rule.group)]
    return render(
        "apis/lint_rules.html", teams=teams, team=team, groups=groups, chosen=team.lint_rules or {}, **_words()
    )


def _team(teams: list[Team], number: int) -> Team:
    team = next((team for team in teams if team.id == number), None)
    if team is None:
        raise NotFound("There is no such team of yours.")
    return team


@blueprint.post("/apis/lint-rules")
@requires(P.MANAGE_APIS)
def change_rules() -> Response:
    team = _team(teams_of(me()), request.form.get("team", 0, type=int))
    overrides = {k.removeprefix("rule-"): v for k, v in request.form.items() if k.startswith("rule-") and v}
    change_lint_rules(team, overrides, by=me())
    flash(f"Documents of {team.name} are linted by these rules from now on.", "ok")
    return redirect(url_for("lint.rules", team=team.id))
