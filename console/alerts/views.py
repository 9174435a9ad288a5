"""Alerts: rules on the traffic, what they found, and what was sent to whom."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission, Team
from ..errors import Refused
from ..web.access import me, requires
from ..web.forms import sent_twice
from ..web.htmx import render, secret_page
from . import actions, queries
from .evaluate import UNITS
from .forms import RuleForm, WebhookForm
from .models import AlertRule

blueprint = Blueprint("alerts", __name__)
P = Permission


@blueprint.get("/alerts")
@requires(P.READ_APPLICATIONS)
def index() -> Response:
    return render("alerts/index.html", rules=queries.rules(me()), webhooks=queries.webhooks(me()), units=UNITS)


@blueprint.get("/alerts/new")
@requires(P.USE_APPLICATIONS)
def new() -> Response:
    """``filters``: the query of a log page's address, when it is made from there."""
    form = RuleForm(data={"filters": request.args.get("filters", "")[:4000], "mail_to": me().email, "window_min": 5})
    form.offer(me(), None)
    return render("alerts/rule.html", form=form, rule=None)


@blueprint.post("/alerts/new")
@requires(P.USE_APPLICATIONS)
def create() -> Response:
    form = RuleForm(request.form)
    form.offer(me(), None)
    if not form.validate():
        return render("alerts/rule.html", status=422, form=form, rule=None)
    if sent_twice():
        return redirect(url_for("alerts.index"))
    rule = form.attempt(lambda: actions.create_rule(_team(form.team.data), form.terms, by=me()))
    if rule is None:
        form.offer(me(), None)
        return render("alerts/rule.html", status=422, form=form, rule=None)
    flash(f"{rule.name} is watched from the next minute on.", "ok")
    return redirect(url_for("alerts.show", rule_id=rule.id))


def _team(team_id: int) -> Team:
    team = next((t for t in me().teams if t.id == team_id), None)
    if team is None:
        raise Refused("Choose one of your teams.", "team")
    return team


@blueprint.get("/alerts/<int:rule_id>")
@requires(P.READ_APPLICATIONS)
def show(rule_id: int) -> Response:
    rule = queries.find_rule(rule_id, by=me())
    sent = queries.deliveries(rule, before=max(0, request.args.get("before", 0, int)))
    page = sent[: queries.PAGE]
    context: dict[str, Any] = {
        "rule": rule,
        "alerts": queries.alerts_of(rule),
        "sent": page,
        "more": page[-1].id if len(sent) > len(page) else 0,
        "units": UNITS,
        "snoozes": list(actions.SNOOZES),
        "mine": me().may(P.USE_APPLICATIONS) and (rule.team_id in me().team_ids or me().may(P.MANAGE_APIS)),
    }
    return render("alerts/show.html", **context)


@blueprint.get("/alerts/<int:rule_id>/change")
@requires(P.USE_APPLICATIONS)
def change_form(rule_id: int) -> Response:
    rule = queries.find_own_rule(rule_id, by=me())
    form = RuleForm(obj=rule, data={"mail_to": ", ".join(rule.mail_to), "team": rule.team_id})
    form.mail_to.data, form.webhook_id.data = ", ".join(rule.mail_to), rule.webhook_id or 0
    form.offer(me(), rule)
    return render("alerts/rule.html", form=form, rule=rule)


@blueprint.post("/alerts/<int:rule_id>/change")
@requires(P.USE_APPLICATIONS)
def change(rule_id: int) -> Response:
    rule = queries.find_own_rule(rule_id, by=me())
    form = RuleForm(request.form)
    form.offer(me(), rule)
    if not form.validate() or form.attempt(lambda: actions.change_rule(rule, form.terms, by=me())) is None:
        rule = queries.find_own_rule(rule_id, by=me())
        form.offer(me(), rule)
        return render("alerts/rule.html", status=422, form=form, rule=rule)
    flash(f"{form.name.data} is watched so from the next minute on.", "ok")
    return _to(rule_id)


@blueprint.post("/alerts/<int:rule_id>/snooze")
@requires(P.USE_APPLICATIONS)
def snooze(rule_id: int) -> Response:
    rule = queries.find_own_rule(rule_id, by=me())
    actions.snooze_rule(rule, request.form.get("span", ""), by=me())
    flash("Nobody is told until then." if rule.is_snoozed else "It tells again.", "ok")
    return _to(rule_id)


@blueprint.post("/alerts/<int:rule_id>/silence")
@requires(P.USE_APPLICATIONS)
def silence(rule_id: int) -> Response:
    rule = queries.find_own_rule(rule_id, by=me())
    actions.silence_rule(rule, request.form.get("silenced") == "1", by=me())
    flash("It is watched, and nobody is told." if rule.is_silenced else "It tells again.", "ok")
    return _to(rule_id)


@blueprint.post("/alerts/<int:rule_id>/try")
@requires(P.USE_APPLICATIONS)
def try_it(rule_id: int) -> Response:
    if not sent_twice():
        count = actions.try_rule(queries.find_own_rule(rule_id, by=me()), by=me())
        flash(f"{count} test message{'s' if count != 1 else ''} will be sent within the next 20 seconds.", "ok")
    return _to(rule_id)


@blueprint.post("/alerts/<int:rule_id>/deliveries/<int:delivery_id>/resend")
@requires(P.USE_APPLICATIONS)
def resend(rule_id: int, delivery_id: int) -> Response:
    rule = queries.find_own_rule(rule_id, by=me())
    actions.resend(queries.find_delivery(rule, delivery_id), by=me())
    flash("It is sent again within the next 20 seconds.", "ok")
    return _to(rule_id)


@blueprint.post("/alerts/<int:rule_id>/delete")
@requires(P.USE_APPLICATIONS)
def delete(rule_id: int) -> Response:
    rule: AlertRule = queries.find_own_rule(rule_id, by=me())
    actions.delete_rule(rule, by=me())
    flash(f"{rule.name} is watched no longer.", "ok")
    return redirect(url_for("alerts.index"))


def _to(rule_id: int) -> Response:
    return redirect(url_for("alerts.show", rule_id=rule_id))


@blueprint.get("/alerts/webhooks/new")
@requires(P.USE_APPLICATIONS)
def new_webhook() -> Response:
    return _webhook_page(WebhookForm())


def _webhook_page(form: WebhookForm, status: int = 200) -> Response:
    form.team.choices = [(t.id, t.name) for t in sorted(me().teams, key=lambda t: t.id)]
    return render("alerts/webhook.html", status=status, form=form)


@blueprint.post("/alerts/webhooks/new")
@requires(P.USE_APPLICATIONS)
def add_webhook() -> Response:
    form = WebhookForm(request.form)
    if not form.validate():
        return _webhook_page(form, 422)
    if sent_twice():
        return redirect(url_for("alerts.index"))
    made = form.attempt(
        lambda: actions.add_webhook(_team(form.team.data), form.name.data or "", form.url.data or "", by=me())
    )
    if made is None:
        return _webhook_page(form, 422)
    return secret_page("alerts/secret.html", webhook=made[0], text=made[1])


@blueprint.post("/alerts/webhooks/<int:webhook_id>/remove")
@requires(P.USE_APPLICATIONS)
def remove_webhook(webhook_id: int) -> Response:
    webhook = queries.find_webhook(webhook_id, by=me())
    actions.remove_webhook(webhook, by=me())
    flash(f"{webhook.name} is told nothing any more.", "ok")
    return redirect(url_for("alerts.index"))
