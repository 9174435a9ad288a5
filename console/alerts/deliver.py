"""Messages on their way: mail, and webhooks signed as Standard Webhooks 1.0 says; tried again with growing pauses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from .. import mail
from ..apis.fetch import post
from ..config import Config
from ..db import db, now
from ..errors import Refused
from ..runtime import runtime
from .models import Delivery, DeliveryState, Webhook

PREFIX = "whsec_"
WITHIN_S = 8.0  # a receiver should answer at once and work later
MOST_AT_ONCE = 20
# after each attempt that failed; past the last one it is given up
PAUSES = tuple(timedelta(seconds=s) for s in (5, 60, 300, 1800, 7200, 18000, 36000, 50400))


@dataclass(frozen=True)
class Outcome:
    delivery_id: int
    problem: str  # empty: it was delivered
    is_final: bool = False  # the receiver wants no more of it


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature` (Standard Webhooks, "Signature scheme")."""
    said = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, said, hashlib.sha256).digest()).decode()


def secret_of(webhook: Webhook) -> bytes:
    return runtime().ring.open(webhook.secret_sealed, webhook.context)


def send_due() -> list[Outcome]:
    """Send what is due. It is noted afterwards: who is stopped in between sends it once more, under the same id."""
    query = select(Delivery).where(Delivery.state == DeliveryState.WAITING, Delivery.try_at <= now())
    query = query.options(joinedload(Delivery.webhook), joinedload(Delivery.rule)).order_by(Delivery.try_at)
    due = list(db.session.scalars(query.limit(MOST_AT_ONCE)))
    ready = [(one.id, _way(one)) for one in due]
    db.session.rollback()  # nothing is held while others take their time
    return [Outcome(number, *way()) for number, way in ready]


def _way(delivery: Delivery) -> Any:
    """What sends it, and says what went wrong. It needs no database any more."""
    body = orjson.dumps(delivery.body)
    if delivery.webhook is None:
        subject, text = _mail_of(delivery.body)
        config, to = runtime().config, delivery.to
        return lambda: _mail(config, to, subject, text)
    if delivery.webhook.removed_at is not None:
        return lambda: ("the webhook was removed", True)
    secret, url, message_id = secret_of(delivery.webhook), delivery.to, delivery.message_id
    return lambda: _post(url, secret, message_id, body)


def _mail(config: Config, to: str, subject: str, text: str) -> tuple[str]:
    """Without SMTP it is printed, and that has to do."""
    sent = mail.send(config, to, subject, text) or not config.smtp_url
    return ("" if sent else "the mail server did not take it",)


def _post(url: str, secret: bytes, message_id: str, body: bytes) -> tuple[str, bool]:
    timestamp = int(time.time())
    headers = {
        "Content-Type": "application/json", "User-Agent": "Gatewright", "webhook-id": message_id,
        "webhook-timestamp": str(timestamp), "webhook-signature": sign(secret, message_id, timestamp, body),
    }  # fmt: skip
    try:
        status = post(url, body, headers, WITHIN_S)
    except Refused as refused:
        return refused.message[:300], False
    return "" if 200 <= status < 300 else f"it answered {status}", status == 410  # Gone


def note_outcomes(found: list[Outcome]) -> None:
    for one in found:
        delivery = db.session.get(Delivery, one.delivery_id)
        if delivery is None or delivery.state != DeliveryState.WAITING:
            continue
        delivery.attempts += 1
        delivery.problem = one.problem
        if not one.problem:
            delivery.state, delivery.delivered_at = DeliveryState.DELIVERED, now()
        elif one.is_final or delivery.attempts > len(PAUSES):
            delivery.state = DeliveryState.FAILED
        else:
            delivery.try_at = now() + PAUSES[delivery.attempts - 1]


def _mail_of(body: dict[str, Any]) -> tuple[str, str]:
    said = body["data"]
    word = {"alert.firing": "Firing", "alert.resolved": "Resolved"}.get(body["type"], "Test")
    value = "unknown" if said["value"] is None else f"{said['value']:,.1f} {said['unit']}"
    text = (
        f"{said['rule']}: {value} over the last {said['window_min']} minutes; the limit is {said['threshold']:g}.\n"
        f"{said['about']}\n\n{said['url']}\n"
    )
    return f"{word}: {said['rule']}", text
