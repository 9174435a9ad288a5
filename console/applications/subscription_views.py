"""One subscription: its state and dates, and what both sides said."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response
from wtforms import DateField, SelectField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from ..accounts.models import Permission
from ..db import db
from ..web.access import me, requires
from ..web.forms import Form, plain_text, sent_twice
from ..web.htmx import render
from . import actions, plans, queries
from .models import Subscription, SubscriptionMessage

blueprint = Blueprint("subscriptions", __name__)
P = Permission
MOST_MESSAGES = 200


class MessageForm(Form):
    text = TextAreaField("Message", [InputRequired("Write the message."), Length(max=2000), plain_text])


class EndForm(Form):
    expires = DateField("Ends on", [Optional()])

    @property
    def expires_at(self) -> datetime | None:
        return datetime.combine(self.expires.data, time(), UTC) if self.expires.data else None


class PlanForm(Form):
    plan = SelectField("Plan")


def _owns(subscription: Subscription) -> bool:
    """Acts for the API: decides who may call it."""
    return me().may(P.DECIDE_SUBSCRIPTIONS)


def _consumes(subscription: Subscription) -> bool:
    return subscription.application.team_id in me().team_ids and me().may(P.USE_APPLICATIONS)


def _to(subscription: Subscription) -> Response:
    return redirect(url_for("subscriptions.show", subscription_id=subscription.id))


@blueprint.get("/subscriptions/<int:subscription_id>")
@requires(P.READ_APPLICATIONS)
def show(subscription_id: int) -> Response:
    return _page(queries.find_subscription(subscription_id, by=me()), MessageForm())


def _page(subscription: Subscription, form: MessageForm, status: int = 200) -> Response:
    query = select(SubscriptionMessage).where(SubscriptionMessage.subscription_id == subscription.id)
    query = query.options(joinedload(SubscriptionMessage.person)).order_by(SubscriptionMessage.id.desc())
    offered = [p for p in plans.offered(subscription.version_id) if p.id != subscription.plan_id]
    context: dict[str, Any] = {
        "subscription": subscription,
        "messages": list(db.session.scalars(query.limit(MOST_MESSAGES)))[::-1],
        "form": form,
        "owns": _owns(subscription),
        "consumes": _consumes(subscription),
        "other_plans": offered,
    }
    return render("subscriptions/show.html", status=status, **context)


@blueprint.post("/subscriptions/<int:subscription_id>/discuss")
@requires(P.USE_APPLICATIONS)
def discuss(subscription_id: int) -> Response:
    subscription, form = queries.find_subscription(subscription_id, by=me()), MessageForm(request.form)
    if form.validate() and not sent_twice():
        form.attempt(actions.discuss, subscription, form.text.data or "", by=me())
    return _page(subscription, form, 422) if form.errors else _to(subscription)


@blueprint.post("/subscriptions/<int:subscription_id>/pause")
@requires(P.USE_APPLICATIONS)
def pause(subscription_id: int) -> Response:
    """By the consumer's own team for itself; by who decides for the API's side."""
    subscription = queries.find_subscription(subscription_id, by=me())
    as_owner = _as_owner(subscription)
    actions.pause_subscription(subscription, request.form.get("reason", "").strip(), by=me(), as_owner=as_owner)
    flash("It is paused. Its tokens and keys are refused until it goes on.", "ok")
    return _to(subscription)


@blueprint.post("/subscriptions/<int:subscription_id>/resume")
@requires(P.USE_APPLICATIONS)
def resume(subscription_id: int) -> Response:
    subscription = queries.find_subscription(subscription_id, by=me())
    actions.resume_subscription(subscription, by=me(), as_owner=_as_owner(subscription))
    flash("It goes on." if subscription.is_active else f"It is still paused by the {subscription.paused_by}.", "ok")
    return _to(subscription)


def _as_owner(subscription: Subscription) -> bool:
    """An admin who is in the consumer's team says for which side she acts; all others have one."""
    if _owns(subscription) and _consumes(subscription):
        return request.form.get("side", "owner") == "owner"
    if not _owns(subscription):
        queries.find_own_application(subscription.application_id, by=me())
    return _owns(subscription)


@blueprint.post("/subscriptions/<int:subscription_id>/date")
@requires(P.DECIDE_SUBSCRIPTIONS)
def date(subscription_id: int) -> Response:
    subscription, form = queries.find_subscription(subscription_id, by=me()), EndForm(request.form)
    if form.validate():
        actions.date_subscription(subscription, form.expires_at, by=me())
        flash("It ends then by itself." if form.expires_at else "It has no end.", "ok")
    else:
        flash("Write the date as year-month-day.", "bad")
    return _to(subscription)


@blueprint.post("/subscriptions/<int:subscription_id>/move")
@requires(P.DECIDE_SUBSCRIPTIONS)
def move(subscription_id: int) -> Response:
    subscription = queries.find_subscription(subscription_id, by=me())
    plan = plans.find_plan(subscription.version, request.form.get("plan", ""))
    actions.move_subscription(subscription, plan, by=me())
    flash(f"It has the plan {plan.title} now; tokens that are out keep the one before until they expire.", "ok")
    return _to(subscription)
