"""The queue of subscriptions that wait for a decision."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..web.access import me, requires
from ..web.htmx import render
from . import actions, queries
from .models import SubscriptionState
from .subscription_views import EndForm

blueprint = Blueprint("approvals", __name__)
P = Permission


@blueprint.get("/approvals")
@requires(P.READ_ALL_APPLICATIONS)
def index() -> Response:
    return _page(request.args.get("state", SubscriptionState.PENDING))


def _page(state: str, refused: dict[int, str] | None = None, status: int = 200) -> Response:
    found = queries.subscriptions(state=state, after=request.args.get("after", 0, int))
    page = found[: queries.PAGE]
    context: dict[str, Any] = {
        "subscriptions": page,
        "more": page[-1].id if len(found) > len(page) else None,
        "state": state,
        "states": list(SubscriptionState),
        "refused": refused or {},
        "waiting": queries.pending_count(),
    }
    return render("approvals/index.html", status=status, **context)


@blueprint.post("/subscriptions/<int:subscription_id>/approve")
@requires(P.DECIDE_SUBSCRIPTIONS)
def approve(subscription_id: int) -> Response:
    subscription, form = queries.find_subscription(subscription_id, by=me()), EndForm(request.form)
    actions.approve_subscription(subscription, by=me(), expires_at=form.expires_at if form.validate() else None)
    flash(f"{subscription.application.name} may call {subscription.version.name} now.", "ok")
    return redirect(url_for("approvals.index"))


@blueprint.post("/subscriptions/<int:subscription_id>/reject")
@requires(P.DECIDE_SUBSCRIPTIONS)
def reject(subscription_id: int) -> Response:
    subscription = queries.find_subscription(subscription_id, by=me())
    reason = request.form.get("reason", "").strip()[:500]
    if not reason:
        return _page(
            SubscriptionState.PENDING, {subscription.id: "Say why, so that the developer knows what to change."}, 422
        )
    actions.reject_subscription(subscription, reason, by=me())
    flash(f"{subscription.application.name} is told why it may not call {subscription.version.name}.", "ok")
    return redirect(url_for("approvals.index"))
