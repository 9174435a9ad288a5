"""What has happened in the demo world: plans, reviews, a next revision, subscriptions in all states, and endings.

Everything is done by the actions that people use; only the moments are set back afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from ..accounts.models import Person, Team
from ..apis.actions import change_visibility, import_document, publish_version, save_draft
from ..apis.choices import Choices
from ..apis.models import ApiVersion, Revision, State, Visibility
from ..apis.review_models import Review, ReviewComment
from ..apis.reviews import comment, request_changes, request_review
from ..apis.subscribers import follow
from ..apis.sunset import deprecate_version, retire_version
from ..apis.switches import block_version, mock_version
from ..applications import actions as subscriptions
from ..applications.models import Application, Approval, Period, Subscription
from ..applications.plans import Terms, create_plan, find_plan, publish_plan
from ..db import db, now
from . import world

FREE = Terms(
    "Free", "To try it out.", Approval.AUTOMATIC, rate_requests=60, quota_requests=20_000, quota_period=Period.MONTH
)
GOLD = Terms(
    "Gold", "For what people depend on.", Approval.MANUAL, rate_requests=6000, quota_requests=5_000_000, quota_period=Period.MONTH
)  # fmt: skip
WITH_PLANS = ("Orders 1.0.0", "Shipments 3.0.2", "Tracking events 5.2.0", "Rates 4.1.0")
DEPRECATED_SINCE, ENDS_IN = timedelta(days=34), world.SUNSET_IN
RETIRED_SINCE, BLOCKED_SINCE = timedelta(days=11), timedelta(hours=3)


def offer_plans(version: ApiVersion, boss: Person) -> None:
    """Before it is published, so that nobody gets the plan that a version without any is given."""
    if version.name in WITH_PLANS:
        for name, terms in (("gold", GOLD), ("free", FREE)):
            publish_plan(create_plan(version, name, terms, by=boss), by=boss)


@dataclass
class Story:
    versions: dict[str, ApiVersion]  # by name
    boss: Person

    def person(self, email: str) -> Person:
        return db.session.scalars(select(Person).where(Person.email == f"{email}@demo.example")).one()

    def happen(self) -> None:
        self._subscriptions()
        self._revisions()
        self._reviews()
        self._endings()
        change_visibility(self.versions["Orders 1.0.0"].api, Visibility.PUBLIC, by=self.boss)
        follow(self.versions["Tracking events 5.2.0"].api, by=self.person("priya"))
        self._long_ago()

    def _subscriptions(self) -> None:
        """One is discussed, one is paused, one ends soon, one was refused, one had no need to ask."""
        priya, jonas, orders = self.person("priya"), self.person("jonas"), self.versions["Orders 1.0.0"]
        rates = self._subscription("Kvarn ERP", "Rates 4.1.0")
        subscriptions.discuss(rates, "Would Free do? It allows 60 requests a minute.", by=self.boss)
        subscriptions.discuss(rates, "Not at night: all lanes are asked for within five minutes.", by=priya)
        why = "It asks for every event once a second. Use the parameter since, then it goes on."
        batch = self._subscription("Customs batch", "Tracking events 5.2.0")
        subscriptions.pause_subscription(batch, why, by=self.boss, as_owner=True)
        portal = self._subscription("Dockside Portal", "Tracking events 5.2.0")
        subscriptions.date_subscription(portal, now() + timedelta(days=12), by=self.boss)
        bot = self._application("Rate bot")
        subscriptions.subscribe(bot, orders, "To see what sells.", by=jonas, plan=find_plan(orders, "free"))
        refused = subscriptions.subscribe(bot, self.versions["Tracking events 5.2.0"], "", by=jonas)
        subscriptions.reject_subscription(refused, "Say what a price needs positions for.", by=self.boss)

    def _application(self, name: str) -> Application:
        return db.session.scalars(select(Application).where(Application.name == name)).one()

    def _subscription(self, application: str, version: str) -> Subscription:
        query = select(Subscription).where(Subscription.version_id == self.versions[version].id)
        return db.session.scalars(query.where(Subscription.application_id == self._application(application).id)).one()

    def _revisions(self) -> None:
        """Tracking events has three, and a fourth that would break those who call it."""
        version = self.versions["Tracking events 5.2.0"]
        text = version.source.replace(
            "kind: {type: string, enum", "kind: {type: string, description: What happened, enum"
        )
        self._publish(version, text, "Says what the kinds of events are")
        text = text.replace("customs]", "customs, returned]")
        self._publish(version, text, "Parcels that come back are told as returned")
        text = text.replace("name: since, in: query,", "name: since, in: query, required: true,")
        text = text.replace("at, carrier]", "at]")
        lines = [line for line in text.splitlines() if not line.startswith("        carrier:")]
        import_document("\n".join(lines) + "\n", version.api.team, by=self.person("tobias"))

    def _publish(self, version: ApiVersion, text: str, note: str) -> None:
        import_document(text, version.api.team, by=self.boss)
        publish_version(version, edits=version.edits, by=self.boss, note=note)

    def _reviews(self) -> None:
        """One waits for the boss, one came back, one is a draft that the gateways answer for."""
        tobias, ines = self.person("tobias"), self.person("ines")
        rates = self._draft(
            "Rates", "4.2.0", "Price a route by weight, lane and date, with surcharges.", world.RATES_NEXT
        )
        review = request_review(
            rates, "Surcharges by lane. Nothing that is there changes.", edits=rates.edits, by=tobias
        )
        comment(review, "In which currency? Say it in the description.", by=self.boss, operation="GET /surcharges")
        line = next(n for n, t in enumerate(rates.source.splitlines(), 1) if "/quotes/{id}" in t)
        comment(review, "Quotes are numbered, so this could be an integer.", by=ines, line=line)
        carbon = self._draft("Carbon estimate", "0.9.0", "Grams of CO2 per leg.", world.CARBON)
        review = request_review(carbon, "A first look, please.", edits=carbon.edits, by=tobias)
        comment(review, "Weight is missing: what is it per?", by=self.boss, operation="GET /estimates")
        request_changes(review, "Take the weight of the goods into account.", by=self.boss)
        returns = self._draft("Returns", "0.3.0", "Send goods back, and see when they arrive.", world.RETURNS)
        mock_version(returns, True, by=tobias)

    def _draft(self, title: str, number: str, summary: str, calls: tuple[world.Call, ...]) -> ApiVersion:
        team = db.session.scalars(select(Team).where(Team.name == "Partners")).one()
        version = import_document(world.document(title, number, summary, calls), team, by=self.person("tobias"))
        path = f"/{version.api.slug}/v{number.replace('.', '-')}"
        choices = Choices(self.versions["Orders 1.0.0"].backend_url, path, ["signed"], 3600)
        save_draft(version, choices, edits=version.edits, by=self.person("tobias"))
        return version

    def _endings(self) -> None:
        """One ends, one has ended, one is stopped in an emergency."""
        old, new = self.versions["Shipments 2.4.1"], self.versions["Shipments 3.0.2"]
        note = "Move to 3.0.2; it takes an hour."
        deprecate_version(old, sunset_at=now() + ENDS_IN, successor=new, note=note, by=self.boss)
        old, new = self.versions["Tracking events 4.6.0"], self.versions["Tracking events 5.2.0"]
        deprecate_version(old, sunset_at=now() + timedelta(days=1), successor=new, note="", by=self.boss)
        retire_version(old, by=self.boss, reason="Everybody has moved to 5.2.0.")
        block_version(self.versions["Customs 1.9.0"], "It declares goods twice. We are looking into it.", by=self.boss)

    def _long_ago(self) -> None:
        """The same things, at moments that a person can follow."""
        for version in db.session.scalars(select(ApiVersion)):
            age = timedelta(days=120 + version.id)
            version.created_at = now() - age if version.published_at else now() - timedelta(days=6)
            version.published_at = now() - age + timedelta(days=9) if version.published_at else None
            if version.state == State.DEPRECATED:
                version.deprecated_at = now() - DEPRECATED_SINCE
            if version.state == State.RETIRED:
                version.deprecated_at, version.retired_at = now() - timedelta(days=72), now() - RETIRED_SINCE
                version.sunset_at = version.retired_at
            if version.state == State.BLOCKED:
                version.blocked_at = now() - BLOCKED_SINCE
            self._revisions_of(version)
        db.session.execute(update(Review).values(requested_at=now() - timedelta(hours=26)))
        decided = update(Review).where(Review.decided_at.is_not(None))
        db.session.execute(decided.values(decided_at=now() - timedelta(hours=20)))
        db.session.execute(update(ReviewComment).values(written_at=now() - timedelta(hours=22)))

    def _revisions_of(self, version: ApiVersion) -> None:
        first: datetime | None = version.published_at
        for number in range(1, version.revision + 1) if first else ():
            of = update(Revision).where(Revision.version_id == version.id, Revision.number == number)
            db.session.execute(of.values(created_at=first + timedelta(days=35 * (number - 1)) if first else None))
