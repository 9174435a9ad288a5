"""Every minute each rule is measured; who is to be told is told when a rule breaks, and when it holds again."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import delete, select

from ..db import db, now
from ..errors import Refused
from ..runtime import runtime
from .measure import Measured, is_broken, measure
from .models import Alert, AlertRule, AlertState, Delivery, DeliveryState, Kind

KEPT = timedelta(days=90)
MOST_RULES = 500
UNITS = {
    Kind.ERROR_RATE: "% failed", Kind.REFUSED_RATE: "% refused", Kind.LATENCY: "ms at p95", Kind.NO_TRAFFIC: "calls",
    Kind.COMPLETENESS: "% complete", Kind.KEY_IDLE: "days unused",
    Kind.QUOTA_NEAR: "% of a quota",
}  # fmt: skip
log = structlog.get_logger("alerts")


@dataclass(frozen=True)
class Finding:
    rule_id: int
    measured: Measured


def look_at_rules() -> list[Finding]:
    """Reads only, and may take its time. A rule that cannot be measured stays as it is, and the others are."""
    found, moment = [], now()
    for rule in db.session.scalars(select(AlertRule).order_by(AlertRule.id).limit(MOST_RULES)):
        try:
            found.append(Finding(rule.id, measure(rule, moment)))
        except Refused as problem:
            log.warning("alerts.not_measured", rule=rule.id, reason=problem.message)
    db.session.rollback()
    return found


def note_findings(found: list[Finding]) -> None:
    moment = now()
    rules = {
        rule.id: rule
        for rule in db.session.scalars(select(AlertRule).where(AlertRule.id.in_([f.rule_id for f in found])))
    }
    for one in found:
        if one.rule_id in rules:  # else it was deleted meanwhile
            _note(rules[one.rule_id], one.measured, moment)
    db.session.execute(delete(Alert).where(Alert.ended_at < moment - KEPT))
    db.session.execute(
        delete(Delivery).where(Delivery.created_at < moment - KEPT, Delivery.state != DeliveryState.WAITING)
    )


def _note(rule: AlertRule, measured: Measured, moment: datetime) -> None:
    rule.value, rule.checked_at = measured.value, moment
    if measured.value is None:  # an alert that is open stays open: that nobody calls any more makes nothing good
        rule.state = AlertState.FIRING if rule.state == AlertState.FIRING else AlertState.UNKNOWN
        return
    firing = is_broken(rule, measured.value)
    was, rule.state = rule.state, AlertState.FIRING if firing else AlertState.QUIET
    if firing and was != AlertState.FIRING:
        db.session.add(Alert(rule_id=rule.id, began_at=moment, worst=measured.value))
        tell(rule, "alert.firing", measured.about)
    elif firing:
        _note_worse(rule, measured.value)
    elif was == AlertState.FIRING:
        for alert in _open_alerts(rule):
            alert.ended_at = moment
        tell(rule, "alert.resolved", measured.about)


def _open_alerts(rule: AlertRule) -> list[Alert]:
    return list(db.session.scalars(select(Alert).where(Alert.rule_id == rule.id, Alert.ended_at.is_(None))))


def _note_worse(rule: AlertRule, value: float) -> None:
    less_is_worse = rule.kind in (Kind.NO_TRAFFIC, Kind.COMPLETENESS)
    for alert in _open_alerts(rule):
        alert.worst = min(alert.worst, value) if less_is_worse else max(alert.worst, value)


def tell(rule: AlertRule, event: str, about: str) -> list[Delivery]:
    """One message for each place, to be sent soon; none while it is silenced or snoozed."""
    if (rule.is_silenced or rule.is_snoozed) and event != "alert.test":
        return []
    body = message(rule, event, about)
    places: list[tuple[str, int | None]] = [(address, None) for address in rule.mail_to]
    if rule.webhook is not None and rule.webhook.removed_at is None:
        places.append((rule.webhook.url, rule.webhook.id))
    made = [
        Delivery(
            rule_id=rule.id,
            message_id=f"msg_{secrets.token_hex(12)}",
            event=event,
            to=to,
            webhook_id=webhook_id,
            body=body,
        )
        for to, webhook_id in places
    ]
    db.session.add_all(made)
    return made


def message(rule: AlertRule, event: str, about: str) -> dict[str, Any]:
    """As the Standard Webhooks specification wants it: what happened, when, and what it is about."""
    at = now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {
        "rule": rule.name, "kind": str(rule.kind), "state": str(rule.state), "value": rule.value,
        "threshold": rule.threshold, "unit": UNITS[Kind(rule.kind)], "window_min": rule.window_min, "about": about,
        "filters": rule.filters, "url": f"{runtime().config.public_url}/alerts/{rule.id}",
    }  # fmt: skip
    return {"type": event, "timestamp": at, "data": data}
