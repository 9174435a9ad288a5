"""What waits for somebody, as sentences with one thing to do."""

from __future__ import annotations

from dataclasses import dataclass

from flask import url_for

from ..apis.models import ApiVersion, State
from ..applications.models import Application, SubscriptionState
from ..db import now
from ..logs.traffic import Traffic
from ..web.filters import distance, plural
from .waiting import KEY, MOST, SECRET, Waiting

CALLING = (SubscriptionState.ACTIVE, SubscriptionState.PAUSED)


@dataclass(frozen=True)
class Notice:
    """``consequence``: what follows from it, muted below; ``verb``: the one thing to do."""

    tone: str
    icon: str
    what: str
    consequence: str
    verb: str
    url: str


def notice_of(one: Waiting, calls: dict[int, Traffic]) -> Notice:
    """``calls``: of the last 24 hours, by version."""
    if one.kind == "ending":
        return _ending(one, calls.get(one.id, Traffic()).requests)
    return {
        "firing": _firing,
        "blocked": _blocked,
        SECRET: credential,
        KEY: credential,
        "review": _review,
        "pending": _pending,
        "changes": _changes,
        "draft": _draft,
    }[one.kind](one)


def _firing(one: Waiting) -> Notice:
    window = f"{one.amount} min" if one.amount < 120 else f"{one.amount / 60:g} h"
    text = f"Last measured over {window}; its limit is {float(one.said):g}."
    return Notice("bad", "bell", f"{one.name} is firing", text, "Look at it", url_for("alerts.show", rule_id=one.id))


def _blocked(one: Waiting) -> Notice:
    since = f" for {distance(now() - one.at)}" if one.at else ""
    text = f"Callers have got 503{since}. {one.said}"
    return Notice("bad", "ban", f"{one.version} is blocked", text, "Look at it", _page(one))


def _ending(one: Waiting, count: int) -> Notice:
    text = f"{plural(count, 'call')} in the last 24 hours." if count else "Nobody called it in the last 24 hours."
    return Notice("warn", "sunset", f"{one.version} {_when(one)}", text, "Plan the sunset", _page(one))


def _when(one: Waiting | ApiVersion) -> str:
    ends = one.until if isinstance(one, Waiting) else one.sunset_at
    assert ends is not None
    left = ends - now()
    return f"ends in {distance(left)}" if left.total_seconds() > 0 else f"was to end {distance(left)} ago"


def credential(one: Waiting) -> Notice:
    """One that was found in the open, or that ends within a month."""
    url = url_for("applications.show", application_id=one.id)
    what = f"{'API key' if one.kind == KEY else 'Client secret'} {one.said or one.number} of {one.name}"
    if one.at is not None:
        text = f"Reported {distance(now() - one.at)} ago. It still works."
        return Notice("bad", "shield-alert", f"{what} was found in the open", text, "Replace it", url)
    assert one.until is not None
    text = "The old one and its successor can be good together, so nothing has to stop."
    return Notice("warn", "key", f"{what} ends in {distance(one.until - now())}", text, "Replace it", url)


def _review(one: Waiting) -> Notice:
    asked = f"{one.who} asked {distance(now() - one.at)} ago." if one.at else f"{one.who} asked."
    text = f"{asked} {one.said[:120]}".strip()
    return Notice("rev", "eye", f"{one.version} waits for your review", text, "Review", _page(one, "reviews.index"))


def _pending(one: Waiting) -> Notice:
    ago = f" {distance(now() - one.at)} ago" if one.at else ""
    text = f"{one.who or 'Somebody'} asked{ago}."
    return Notice("rev", "user-plus", f"{one.said} asks for {one.version}", text, "Decide", url_for("approvals.index"))


def _changes(one: Waiting) -> Notice:
    text = f"{one.who or 'A reviewer'}: {one.said[:160]}"
    return Notice(
        "warn", "pencil", f"{one.version} needs changes", text, "Read the review", _page(one, "reviews.index")
    )


def _draft(one: Waiting) -> Notice:
    text = f"{plural(one.amount, 'operation')}. Nobody can call it yet."
    return Notice("info", "pencil", f"{one.version} is a draft", text, "Publish it", _page(one))


def _page(one: Waiting, endpoint: str = "apis.show") -> str:
    return url_for(endpoint, slug=one.slug, number=one.number)


def ending_for(applications: list[Application]) -> list[Notice]:
    """What these applications call and what ends, the nearest first."""
    found: dict[int, tuple[ApiVersion, list[str]]] = {}
    for application in applications:
        for s in application.subscriptions:
            if s.state in CALLING and s.version.state == State.DEPRECATED and s.version.sunset_at:
                found.setdefault(s.version_id, (s.version, []))[1].append(application.name)
    nearest = sorted(found.values(), key=lambda one: one[0].sunset_at or now())[:MOST]
    return [_of_subscribers(version, names) for version, names in nearest]


def _of_subscribers(version: ApiVersion, names: list[str]) -> Notice:
    who = names[0] if len(names) == 1 else f"{names[0]} and {plural(len(names) - 1, 'other application')}"
    may = "has" if len(names) == 1 else "have"
    text = f"{who} {may} a subscription to it. {version.deprecation_note}".strip()
    url = url_for("catalog.show", slug=version.api.slug, number=version.version)
    return Notice("warn", "sunset", f"{version.name} {_when(version)}", text, "See what to do", url)
