"""What people do about rules and webhooks."""

from __future__ import annotations

import base64
import secrets
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import delete, func, select

from ..accounts.models import Permission, Person, Team
from ..apis.fetch import check_address
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now
from ..errors import Refused
from ..logs.filters import FILTERS
from ..runtime import runtime
from .deliver import PREFIX
from .evaluate import tell
from .models import Alert, AlertRule, AlertState, Delivery, DeliveryState, Kind, Webhook

MOST_RULES, MOST_WEBHOOKS, MOST_ADDRESSES = 100, 20, 10
OF_TIME = ("range", "since", "until")
SNOOZES = {"1h": timedelta(hours=1), "8h": timedelta(hours=8), "24h": timedelta(days=1), "7d": timedelta(days=7)}


@dataclass(frozen=True)
class Terms:
    """What a rule watches and whom it tells."""

    name: str
    kind: Kind
    threshold: float
    window_min: int
    filters: str = ""
    mail_to: list[str] = field(default_factory=list)
    webhook_id: int | None = None


def create_rule(team: Team, terms: Terms, *, by: Person) -> AlertRule:
    """Of a person who reads every call, a rule watches all of them; else those of her team's applications."""
    if (
        db.session.scalar(select(func.count()).select_from(AlertRule).where(AlertRule.team_id == team.id)) or 0
    ) >= MOST_RULES:
        raise Refused(f"The team {team.name} has {MOST_RULES} rules already. Delete one first.")
    rule = AlertRule(
        team_id=team.id, created_by_id=by.id, sees_all=by.may(Permission.READ_LOGS), **_checked(team, terms)
    )
    db.session.add(rule)
    db.session.flush()
    record(Action.ALERT_RULE_CREATED, rule, by=by, changes=asdict(terms) | {"team": team.name})
    return rule


def change_rule(rule: AlertRule, terms: Terms, *, by: Person) -> AlertRule:
    """It is measured anew; an alert that is open ends without a message."""
    wanted = _checked(rule.team, terms)
    changes = {k: [getattr(rule, k), v] for k, v in wanted.items() if getattr(rule, k) != v}
    if not changes:
        return rule
    for name, (_, after) in changes.items():
        setattr(rule, name, after)
    if not by.may(Permission.READ_LOGS):
        rule.sees_all = False
    rule.state, rule.value, rule.checked_at = AlertState.UNKNOWN, None, None
    for alert in db.session.scalars(select(Alert).where(Alert.rule_id == rule.id, Alert.ended_at.is_(None))):
        alert.ended_at = now()
    record(Action.ALERT_RULE_CHANGED, rule, by=by, changes=changes)
    return rule


def _checked(team: Team, terms: Terms) -> dict[str, Any]:
    name = " ".join(terms.name.split())
    if not name or len(name) > 80:
        raise Refused("Give the rule a name of at most 80 letters.", "name")
    if not 1 <= terms.window_min <= 1440:
        raise Refused("A window lasts between 1 minute and a day.", "window_min")
    percent = terms.kind in (Kind.ERROR_RATE, Kind.REFUSED_RATE, Kind.COMPLETENESS, Kind.QUOTA_NEAR)
    if not 0 < terms.threshold <= (100 if percent else 1e9):
        raise Refused("Give a limit above 0 and at most 100 %." if percent else "Give a limit above 0.", "threshold")
    if len(terms.mail_to) > MOST_ADDRESSES:
        raise Refused(f"A rule tells at most {MOST_ADDRESSES} addresses.", "mail_to")
    if terms.webhook_id is not None:
        webhook = db.session.get(Webhook, terms.webhook_id)
        if webhook is None or webhook.team_id != team.id or webhook.removed_at is not None:
            raise Refused(f"The team {team.name} has no such webhook.", "webhook_id")
    if not terms.mail_to and terms.webhook_id is None:
        raise Refused("Say whom to tell: an e-mail address, a webhook, or both.", "mail_to")
    kept = [
        (key, value)
        for key, value in parse_qsl(terms.filters[:4000])
        if key in FILTERS and key not in OF_TIME and value
    ]
    filters = urlencode(kept)
    if len(filters) > 2000:
        raise Refused("These filters are too long to keep.", "filters")
    return asdict(terms) | {"name": name, "filters": filters}


def delete_rule(rule: AlertRule, *, by: Person) -> None:
    record(Action.ALERT_RULE_DELETED, rule, by=by)
    for kind in (Alert, Delivery):
        db.session.execute(delete(kind).where(kind.rule_id == rule.id))
    db.session.delete(rule)


def snooze_rule(rule: AlertRule, span: str, *, by: Person) -> None:
    """Nobody is told for so long; an empty ``span`` ends it."""
    before, rule.snoozed_until = rule.snoozed_until, now() + SNOOZES[span] if span in SNOOZES else None
    record(Action.ALERT_RULE_SNOOZED, rule, by=by, changes={"until": [before, rule.snoozed_until]})


def silence_rule(rule: AlertRule, silenced: bool, *, by: Person) -> None:
    if rule.is_silenced != silenced:
        rule.is_silenced = silenced
        record(Action.ALERT_RULE_SILENCED if silenced else Action.ALERT_RULE_UNSILENCED, rule, by=by)


def try_rule(rule: AlertRule, *, by: Person) -> int:
    """A message of the kind that it sends, to every place that it tells; how many."""
    sent = tell(rule, "alert.test", f"{by.name} tries this rule.")
    record(Action.ALERT_RULE_TRIED, rule, by=by)
    return len(sent)


def resend(delivery: Delivery, *, by: Person) -> None:
    if delivery.state == DeliveryState.WAITING and delivery.attempts == 0:
        raise Refused("It is on its way already.")
    delivery.state, delivery.try_at, delivery.attempts = DeliveryState.WAITING, now(), 0
    record(Action.ALERT_RESENT, delivery.rule, by=by, changes={"to": delivery.to, "event": delivery.event})


def add_webhook(team: Team, name: str, url: str, *, by: Person) -> tuple[Webhook, str]:
    """And the secret that its messages are signed with, which is shown once."""
    name = " ".join(name.split())
    if not name or len(name) > 60:
        raise Refused("Give the webhook a name of at most 60 letters.", "name")
    if len(url) > 500:
        raise Refused("That address is too long.", "url")
    check_address(url)
    mine = select(func.count()).select_from(Webhook).where(Webhook.team_id == team.id, Webhook.removed_at.is_(None))
    if (db.session.scalar(mine) or 0) >= MOST_WEBHOOKS:
        raise Refused(f"The team {team.name} has {MOST_WEBHOOKS} webhooks already. Remove one first.")
    taken = db.session.scalars(select(Webhook).where(Webhook.team_id == team.id, Webhook.name == name)).first()
    if taken is not None and taken.removed_at is None:
        raise Refused(f"The team {team.name} has a webhook of that name.", "name")
    webhook = taken or Webhook(team_id=team.id, name=name)
    webhook.url, webhook.removed_at = url, None
    db.session.add(webhook)
    db.session.flush()
    secret = secrets.token_bytes(32)
    webhook.secret_sealed = runtime().ring.seal(secret, webhook.context)
    record(Action.WEBHOOK_ADDED, webhook, by=by, changes={"url": url, "team": team.name})
    return webhook, PREFIX + base64.b64encode(secret).decode()


def remove_webhook(webhook: Webhook, *, by: Person) -> None:
    """What waits for it is given up. The row stays, because what was sent names it."""
    if webhook.removed_at is not None:
        raise Refused(f"{webhook.name} was removed already.")
    webhook.removed_at, webhook.secret_sealed = now(), ""
    record(Action.WEBHOOK_REMOVED, webhook, by=by, changes={"url": webhook.url})
