"""Finding rules and webhooks: those of her teams; who reads every call sees every rule."""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload

from ..accounts.models import Permission, Person
from ..db import db
from ..errors import NotFound
from .models import Alert, AlertRule, AlertState, Delivery, Webhook

MOST = 200
PAGE = 30


def _visible(person: Person) -> Select[AlertRule]:
    query = select(AlertRule).options(joinedload(AlertRule.team), joinedload(AlertRule.webhook))
    if not person.may(Permission.READ_LOGS):
        query = query.where(AlertRule.team_id.in_(person.team_ids))
    return query


def rules(person: Person) -> list[AlertRule]:
    """Those that fire first."""
    return list(
        db.session.scalars(_visible(person).order_by(AlertRule.state != AlertState.FIRING, AlertRule.name).limit(MOST))
    )


def find_rule(rule_id: int, *, by: Person) -> AlertRule:
    rule = db.session.scalars(_visible(by).where(AlertRule.id == rule_id)).first()
    if rule is None:
        raise NotFound("There is no such rule among yours.")
    return rule


def find_own_rule(rule_id: int, *, by: Person) -> AlertRule:
    """One that she may change: her team's, or any for an admin."""
    rule = find_rule(rule_id, by=by)
    if rule.team_id not in by.team_ids and not by.may(Permission.MANAGE_APIS):
        raise NotFound("There is no such rule among yours.")
    return rule


def alerts_of(rule: AlertRule, size: int = 10) -> list[Alert]:
    return list(db.session.scalars(select(Alert).where(Alert.rule_id == rule.id).order_by(Alert.id.desc()).limit(size)))


def deliveries(rule: AlertRule, *, before: int = 0, size: int = PAGE) -> list[Delivery]:
    """One more than ``size`` when there are older ones."""
    query = select(Delivery).where(Delivery.rule_id == rule.id).options(joinedload(Delivery.webhook))
    if before:
        query = query.where(Delivery.id < before)
    return list(db.session.scalars(query.order_by(Delivery.id.desc()).limit(size + 1)))


def find_delivery(rule: AlertRule, delivery_id: int) -> Delivery:
    found = db.session.get(Delivery, delivery_id)
    if found is None or found.rule_id != rule.id:
        raise NotFound("This rule sent no such message.")
    return found


def webhooks(person: Person) -> list[Webhook]:
    query = select(Webhook).where(Webhook.team_id.in_(person.team_ids), Webhook.removed_at.is_(None))
    return list(db.session.scalars(query.options(joinedload(Webhook.team)).order_by(Webhook.name).limit(MOST)))


def webhooks_of(team_id: int) -> list[Webhook]:
    query = select(Webhook).where(Webhook.team_id == team_id, Webhook.removed_at.is_(None))
    return list(db.session.scalars(query.order_by(Webhook.name).limit(MOST)))


def find_webhook(webhook_id: int, *, by: Person) -> Webhook:
    webhook = db.session.get(Webhook, webhook_id)
    if webhook is None or webhook.team_id not in by.team_ids or webhook.removed_at is not None:
        raise NotFound("Your teams have no such webhook.")
    return webhook
