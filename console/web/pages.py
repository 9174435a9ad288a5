"""What every page shows: the navigation by permission, and who is signed in."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from flask import Flask, request, url_for
from flask.templating import Environment
from flask_login import current_user

from .. import __version__
from ..accounts.models import Permission, Person
from ..config import SETTINGS
from .forms import once
from .session import waiting

P = Permission
THEMES = ("system", "light", "dark")


@dataclass(frozen=True)
class Entry:
    label: str
    icon: str
    endpoint: str
    permission: Permission
    section: str = ""
    count: bool = False


NAVIGATION = (
    Entry("Overview", "layout-dashboard", "home.overview", P.SIGNED_IN),
    Entry("APIs", "braces", "apis.index", P.READ_APIS),
    Entry("Catalog", "book-open", "catalog.index", P.READ_CATALOG),
    Entry("My applications", "box", "applications.index", P.READ_APPLICATIONS),
    Entry("Applications", "box", "applications.index", P.READ_ALL_APPLICATIONS, "People"),
    Entry("Approvals", "shield-check", "approvals.index", P.READ_ALL_APPLICATIONS, "People", count=True),
    Entry("People", "users", "people.index", P.READ_PEOPLE, "People"),
    Entry("Request logs", "scroll-text", "logs.index", P.READ_LOGS, "Traffic"),
    Entry("Analytics", "activity", "analytics.index", P.READ_APPLICATIONS, "Traffic"),
    Entry("Alerts", "bell", "alerts.index", P.READ_APPLICATIONS, "Traffic"),
    Entry("Nodes", "server", "gateway.index", P.READ_NODES, "Traffic"),
    Entry("Token inspector", "lock", "inspector.index", P.SIGNED_IN, "Tokens"),
    Entry("Leak check", "shield-alert", "leaks.index", P.READ_APPLICATIONS, "Tokens"),
    Entry("Keys", "key-round", "keyring.index", P.READ_KEYS, "Tokens"),
    Entry("Audit trail", "file-search", "audit.index", P.READ_AUDIT, "Control"),
    Entry("Settings", "settings", "home.settings", P.READ_SETTINGS, "Control"),
)
ORDER = ("", "Traffic", "People", "Tokens", "Control")


class Templates(Environment):
    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """No template has globals of its own, and a chain of two is slow to copy, for each that is included."""
        return super().make_globals(d) if d else self.globals


def install(app: Flask) -> None:
    app.context_processor(shared)
    app.add_template_global(once)


def shared() -> dict[str, Any]:
    person = current_user if current_user and current_user.is_authenticated else None
    theme = request.cookies.get("theme", "system")
    return {
        "me": person,
        "may": person.may if person else _nothing,
        "P": Permission,
        "theme": theme if theme in THEMES else "system",
        "navigation": navigation(person) if person else [],
        "product_version": __version__,
        "settings_table": SETTINGS,
    }


def _nothing(permission: Permission) -> bool:
    return False


def navigation(person: Person) -> list[tuple[str, list[dict[str, Any]]]]:
    """Sections with the entries that this person may open."""
    sections: dict[str, list[dict[str, Any]]] = {name: [] for name in ORDER}
    here = (request.endpoint or "").split(".")[0]
    reads_all = person.may(P.READ_ALL_APPLICATIONS)
    for entry in NAVIGATION:
        if not person.may(entry.permission) or (entry.label == "My applications" and reads_all):
            continue
        count = waiting() if entry.count else 0
        sections[entry.section].append(
            {
                "label": entry.label,
                "icon": entry.icon,
                "url": url_for(entry.endpoint),
                "current": _is_here(entry.endpoint, here),
                "count": count,
            }
        )
    return [(name, entries) for name, entries in sections.items() if entries]


def _is_here(endpoint: str, here: str) -> bool:
    domain = endpoint.split(".")[0]
    if domain == "home":
        return endpoint == request.endpoint
    families = {
        "apis": (
            "apis",
            "lifecycle",
            "version_keys",
            "editor",
            "design",
            "lint",
            "usage",
            "reviews",
            "revisions",
            "sunsets",
            "switches",
            "plans",
        ),
        "people": ("people", "registration"),
        "applications": ("applications", "subscriptions", "tokens", "credentials", "client_keys", "certificates"),
        "catalog": ("catalog", "reference", "trying"),
        "logs": ("logs", "rejected"),
    }
    return here in families.get(domain, (domain,))
